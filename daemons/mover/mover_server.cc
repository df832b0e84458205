#include "daemons/mover/mover_server.h"

#include "transport/rpc/mover_codec.h"

#include <kj/debug.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <utility>
#include <vector>

namespace alnilam::mover {
namespace {

template <typename T>
T orThrow(Result<T> result) {
  if (!result) {
    kj::throwFatalException(kj::Exception(kj::Exception::Type::FAILED, __FILE__, __LINE__,
                                          kj::heapString(result.error().why.c_str())));
  }
  return std::move(result).value();
}

std::string textOf(capnp::Text::Reader text) { return std::string(text.begin(), text.size()); }

}  // namespace

kj::Promise<void> MoverServer::start(StartContext call) {
  KJ_REQUIRE(!running_.has_value(), "the mover was started before");
  auto start = call.getParams().getStart();
  ucx::Settings settings{.interfaces = {}, .onHost = config_.onHost};
  for (auto interface : start.getInterfaces()) settings.interfaces.push_back(textOf(interface));

  auto arena = orThrow(ArenaMap::map(static_cast<int>(start.getArenaFd()), start.getArenaBytes()));
  auto context = orThrow(ucx::Context::create(settings));
  auto worker = orThrow(ucx::Worker::create(context, io_.unixEventPort));
  running_.emplace(Running{std::move(arena), std::move(context), kj::mv(worker), {}, nullptr});
  if (!config_.onHost.empty() && config_.mapNeighbours) {
    config_.exchange.arenaFd = static_cast<int>(start.getArenaFd());
  }
  running_->exchange = kj::heap<ucx::Exchange>(
      *running_->worker, running_->arena, io_.provider->getTimer(),
      kj::systemPreciseMonotonicClock(), config_.exchange,
      [](const std::string& line) { spdlog::info("{}", line); });
  wedged_ = running_->exchange->whenWedged().then([]() {
    spdlog::error("a neighbour ended in the middle of a message and nothing arrives any more");
    std::_Exit(kWedged);  // the node starts this mover anew
  }).eagerlyEvaluate(nullptr);
  if (start.getFaultIn()) running_->warmer = std::make_unique<PageWarmer>(running_->arena);

  auto answer = call.getResults();
  const std::string& address = running_->exchange->address();
  answer.setAddress(kj::StringPtr(address.c_str(), address.size()).asBytes());
  answer.setTransports(running_->context.transports());
  spdlog::info("{} bytes of object memory; lanes: {}", start.getArenaBytes(),
               running_->context.transports());
  return kj::READY_NOW;
}

ucx::Exchange& MoverServer::exchange() {
  KJ_REQUIRE(running_.has_value(), "the mover was not started");
  return *running_->exchange;
}

kj::Promise<void> MoverServer::publish(PublishContext call) {
  for (auto object : call.getParams().getObjects()) {
    orThrow(exchange().publish(ObjectId{object.getObject()},
                                         {object.getOffset(), object.getSize()}));
  }
  return kj::READY_NOW;
}

kj::Promise<void> MoverServer::withdraw(WithdrawContext call) {
  std::vector<ObjectId> objects;
  for (std::uint64_t object : call.getParams().getObjects()) objects.push_back({object});
  call.releaseParams();
  return exchange().withdraw(objects);
}

kj::Promise<void> MoverServer::pull(PullContext call) {
  auto asked = call.getParams().getRequest();
  ucx::PullRequest request{ObjectId{asked.getObject()}, asked.getSize(), asked.getOffset(), {}};
  for (auto holder : asked.getHolders()) {
    auto address = holder.getAddress().asChars();
    request.holders.push_back(
        {NodeId{holder.getNode()}, std::string(address.begin(), address.size())});
  }
  call.releaseParams();
  return exchange().pull(std::move(request)).then(
      [call = kj::mv(call)](Result<ucx::PullReport> result) mutable {
        auto outcome = call.getResults().initOutcome();
        if (!result) {
          outcome.setFailure(result.error().why);
          return;
        }
        const ucx::PullReport& report = result.value();
        outcome.setBytes(report.bytes);
        outcome.setNanoseconds(static_cast<std::uint64_t>(report.took.count()));
        outcome.setFrom(report.from.value);
        outcome.setLane(report.lane);
      });
}

kj::Promise<void> MoverServer::lanes(LanesContext call) {
  auto used = exchange().lanes();
  auto lanes = call.getResults().initLanes(static_cast<kj::uint>(used.size()));
  for (kj::uint i = 0; i < lanes.size(); ++i) {
    auto& lane = used[i];
    rpc::write(rpc::Lane{lane.node, lane.transport, lane.pulls, lane.bytes, lane.took}, lanes[i]);
  }
  return kj::READY_NOW;
}

}  // namespace alnilam::mover
