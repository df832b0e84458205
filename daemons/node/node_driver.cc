#include "daemons/node/node_driver.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace alnilam {

NodeDriver::NodeDriver(kj::Timer& timer, node::NodeBrain::Config config, Hands& hands)
    : timer_(timer),
      hands_(hands),
      brain_(std::move(config)),
      alarm_(timer, [this]() { feed(node::Tick{}); }),
      tasks_(*this) {}

void NodeDriver::feed(node::Input input) {
  brain_.step(rpc::instantOf(timer_), std::move(input));
  if (std::exchange(settling_, true)) return;
  tasks_.add(kj::evalLast([this]() { settle(); }));
}

void NodeDriver::settle() {
  settling_ = false;
  std::vector<node::Output> outputs;
  brain_.settle(rpc::instantOf(timer_), outputs);
  for (node::Output& output : outputs) hands_.perform(std::move(output));
  alarm_.set(brain_.deadline());
}

void NodeDriver::taskFailed(kj::Exception&& e) {
  spdlog::error("node: {}", e.getDescription().cStr());
}

}  // namespace alnilam
