#include "transport/rpc/batch_size.h"

#include <tuple>
#include <utility>

namespace alnilam::rpc {
namespace {

constexpr Bytes padded(Bytes bytes) { return (bytes + 7) & ~Bytes{7}; }
Bytes weigh(const std::string& text) { return padded(text.size() + 1); }
Bytes weigh(const Blob& blob) { return padded(blob.size()); }

Bytes weigh(const ResourceSet& set) {
  Bytes sum = 48;
  for (auto& named : set.named) sum += 16 + weigh(named.name);
  return sum;
}
Bytes weigh(const std::vector<std::string>& texts) {
  Bytes sum = 8;
  for (auto& text : texts) sum += 8 + weigh(text);
  return sum;
}
Bytes weigh(const Failure& failure) {
  return 64 + weigh(failure.function) + weigh(failure.node) + weigh(failure.type) +
         weigh(failure.message) + weigh(failure.chain);
}
Bytes weigh(const TaskClass& taskClass) {
  const Placing& placing = taskClass.placing;
  Bytes sum = 96 + weigh(taskClass.function) + weigh(taskClass.needs) + weigh(placing.affinity) +
              weigh(placing.apart);
  for (auto& rule : placing.rules) sum += 32 + weigh(rule.key) + weigh(rule.values);
  for (auto& one : taskClass.variants) {
    sum += 32 + weigh(one.kind) + weigh(one.function) + weigh(one.needs);
  }
  return sum;
}
Bytes weigh(const TaskSpec& task) {
  return 24 + weigh(task.arguments) + 8 * task.inputs.size();
}
Bytes weigh(const Value& value) {
  return 40 + weigh(value.held) + padded(4 * value.holders.size()) +
         (value.failure ? weigh(*value.failure) : 0);
}
Bytes weigh(const std::pair<ObjectId, Value>& pair) { return weigh(pair.second); }
template <typename Tag, typename Rep>
Bytes weigh(const Id<Tag, Rep>&) { return sizeof(Rep); }
Bytes weigh(const ObjectId&) { return 8; }
Bytes weigh(const NodeAddress& address) {
  return 64 + weigh(address.name) + weigh(address.objects) + weigh(address.localPath) +
         weigh(address.hostIdentity) + padded(address.mover.size());
}
Bytes weigh(const JobNotice& notice) {
  return 32 + weigh(notice.program) + weigh(notice.arguments);
}
Bytes weigh(const ClassNotice& notice) { return 16 + weigh(notice.definition); }
Bytes weigh(const Assignment& assignment) {
  Bytes sum = 48 + weigh(assignment.arguments);
  for (auto& input : assignment.inputs) sum += weigh(input);
  return sum;
}
Bytes weigh(const WithdrawnGpu& gpu) { return 16 + weigh(gpu.why); }
Bytes weigh(const TaskDone& done) {
  return 48 + weigh(done.held) + (done.failure ? weigh(*done.failure) : 0);
}
Bytes weigh(const ObjectKept&) { return 16; }
Bytes weigh(const CostReport&) { return 48; }
Bytes weigh(const Lane& lane) { return 40 + weigh(lane.transport); }
Bytes weigh(const std::pair<ClassIndex, std::string>& lane) { return 16 + weigh(lane.second); }
Bytes weigh(const SlotGrant& grant) {
  return 24 + padded(4 * grant.cores.size()) + 16 * grant.devices.size();
}
Bytes weigh(const RunTask& task) {
  Bytes sum = 32 + weigh(task.arguments);
  for (auto& input : task.inputs) sum += 40 + (input.stored ? 0 : weigh(input.held));
  return sum;
}

// The lists of a batch, in the order in which they are carried out.
template <typename Batch> requires std::is_same_v<std::remove_const_t<Batch>, ClientBatch>
auto listsOf(Batch& b) {
  return std::tie(b.classes, b.puts, b.tasks, b.wants, b.cancels, b.releases);
}
template <typename Batch> requires std::is_same_v<std::remove_const_t<Batch>, Told>
auto listsOf(Batch& b) {
  return std::tie(b.nodes, b.values);
}
template <typename Batch> requires std::is_same_v<std::remove_const_t<Batch>, NodeMail>
auto listsOf(Batch& b) {
  return std::tie(b.peers, b.orders.jobs, b.orders.classes, b.orders.assign, b.orders.cancel,
                  b.orders.release, b.orders.ended, b.orders.giveBack);
}
template <typename Batch> requires std::is_same_v<std::remove_const_t<Batch>, NodeNews>
auto listsOf(Batch& b) {
  return std::tie(b.report.done, b.report.kept, b.report.dropped, b.report.costs);
}
template <typename Batch> requires std::is_same_v<std::remove_const_t<Batch>, Orders>
auto listsOf(Batch& b) {
  return std::tie(b.lanes, b.open, b.close, b.run, b.cancel, b.forget);
}
template <typename Batch> requires std::is_same_v<std::remove_const_t<Batch>, ExecutorReport>
auto listsOf(Batch& b) {
  return std::tie(b.done, b.closed);
}

template <typename Batch>
Bytes total(const Batch& batch) {
  Bytes sum = 0;
  auto addList = [&](const auto& list) {
    for (auto& element : list) sum += weigh(element);
  };
  std::apply([&](const auto&... lists) { (addList(lists), ...); }, listsOf(batch));
  return sum;
}

template <typename Batch>
std::vector<Batch> cutAt(Batch whole, Bytes most) {
  std::vector<Batch> parts;
  if (total(whole) <= most) {
    parts.push_back(std::move(whole));
    return parts;
  }
  Bytes filled = 0;
  parts.emplace_back();
  auto moveList = [&]<std::size_t at>(std::integral_constant<std::size_t, at>) {
    for (auto& element : std::get<at>(listsOf(whole))) {
      if (filled >= most) {
        parts.emplace_back();
        filled = 0;
      }
      filled += weigh(element);
      std::get<at>(listsOf(parts.back())).push_back(std::move(element));
    }
  };
  constexpr std::size_t kLists = std::tuple_size_v<decltype(listsOf(whole))>;
  [&]<std::size_t... at>(std::index_sequence<at...>) {
    (moveList(std::integral_constant<std::size_t, at>{}), ...);
  }(std::make_index_sequence<kLists>{});
  return parts;
}

}  // namespace

Bytes wireSize(const ClientBatch& batch) { return total(batch); }
Bytes wireSize(const Told& told) { return total(told); }
Bytes wireSize(const NodeMail& mail) { return total(mail); }
Bytes wireSize(const NodeNews& news) {
  Bytes sum = total(news);
  if (news.lanes) {
    for (auto& lane : *news.lanes) sum += weigh(lane);
  }
  if (news.report.withdrawn) {
    for (auto& one : *news.report.withdrawn) sum += weigh(one);
  }
  if (news.deviceMemory) sum += 40 * news.deviceMemory->size();
  return sum;
}
Bytes wireSize(const Orders& orders) { return total(orders); }
Bytes wireSize(const ExecutorReport& report) { return total(report); }

std::vector<ClientBatch> cut(ClientBatch batch, Bytes most) {
  return cutAt(std::move(batch), most);
}
std::vector<Told> cut(Told told, Bytes most) { return cutAt(std::move(told), most); }
std::vector<NodeMail> cut(NodeMail mail, Bytes most) {
  bool restore = mail.orders.restoreDevices;
  auto parts = cutAt(std::move(mail), most);
  parts.back().orders.restoreDevices = restore;
  return parts;
}
std::vector<NodeNews> cut(NodeNews news, Bytes most) {
  auto lanes = std::move(news.lanes);
  Bytes used = news.storeUsed, pullRate = news.report.pullRate;
  auto withdrawn = std::move(news.report.withdrawn);
  auto memory = std::move(news.deviceMemory);
  auto parts = cutAt(std::move(news), most);
  parts.front().lanes = std::move(lanes);
  parts.front().storeUsed = used;
  parts.front().deviceMemory = std::move(memory);
  parts.front().report.pullRate = pullRate;
  parts.front().report.withdrawn = std::move(withdrawn);
  return parts;
}
std::vector<Orders> cut(Orders orders, Bytes most) { return cutAt(std::move(orders), most); }
std::vector<ExecutorReport> cut(ExecutorReport report, Bytes most) {
  return cutAt(std::move(report), most);
}

}  // namespace alnilam::rpc
