#include "daemons/cli/inspection.h"

#include "daemons/process/process.h"

namespace alnilam::cli {

int Inspection::run(const std::function<int(schema::Inspector::Client&, kj::WaitScope&)>& ask) {
  Result<rpc::Secret> secret = findSecret(options_.secretFile, false);
  if (!secret) return complain(secret.error().why, kNotAllowed);
  Dialer dialer(io_, secret.value(), rpc::Role::tool);
  Result<kj::Own<rpc::Connection>> made = dialer.call(options_.head).wait(io_.waitScope);
  if (!made) {
    bool refused = made.error().code == RefusalCode::notAllowed;
    return complain(made.error().why, refused ? kNotAllowed : kHeadUnreachable);
  }
  auto connection = std::move(made).value();
  auto gate = connection->bootstrap().castAs<schema::ClientGate>();
  auto inspector = gate.inspectRequest().send().wait(io_.waitScope).getInspector();
  return ask(inspector, io_.waitScope);
}

Result<std::vector<rpc::NodeRow>> nodesOf(schema::Inspector::Client& inspector,
                                          kj::WaitScope& scope) {
  auto response = inspector.nodesRequest().send().wait(scope);
  std::vector<rpc::NodeRow> rows;
  for (auto from : response.getNodes()) {
    Result<rpc::NodeRow> row = rpc::read(from);
    if (!row) return row.error();
    rows.push_back(std::move(row).value());
  }
  return rows;
}

const char* stateOf(const head::NodeView& view) {
  return !view.alive ? "lost" : view.aside.empty() ? "alive" : "aside";
}

double inSeconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace alnilam::cli
