#include "daemons/node/pulls.h"

#include "schema/object.capnp.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

namespace alnilam {
namespace {

constexpr Bytes kPart = 1_MiB;
constexpr unsigned kPartsInFlight = 8;

}  // namespace

Pulls::Pulls(Dialer& dialer, Store& store, MoverLink& mover, kj::Function<void(node::Input)> feed)
    : dialer_(dialer), store_(store), mover_(mover), feed_(kj::mv(feed)), tasks_(*this) {}

void Pulls::pull(node::Pull wanted) {
  ObjectStore& table = store_.table();
  if (auto place = table.find(wanted.object)) {
    return feed_(node::Pulled{wanted.object, place->size});
  }
  // It may be on its way out, and wanted again.
  if (Result<Extent> revived = table.revive(wanted.object)) {
    store_.publish(wanted.object, revived.value());
    return feed_(node::Pulled{wanted.object, revived.value().size});
  }
  Result<Extent> place = table.create(wanted.object, wanted.size);
  if (!place) return feed_(node::PullFailed{wanted.object, place.error().why});
  ObjectId object = wanted.object;
  tasks_.add(byMover(std::move(wanted), place.value())
                 .catch_([this, object](kj::Exception&& e) {
                   fail(object, std::string(e.getDescription().cStr()));
                 }));
}

kj::Promise<void> Pulls::byMover(node::Pull wanted, Extent place) {
  std::vector<MoverLink::Holder> holders;
  for (NodeId holder : wanted.holders) {
    auto peer = peers_.find(holder);
    if (peer != peers_.end() && !peer->second.mover.empty()) {
      holders.push_back({holder, peer->second.mover});
    }
  }
  if (holders.empty()) return byService(std::move(wanted), place, 0, "nobody holds it");
  ObjectId object = wanted.object;
  return mover_.pull(object, place.size, place.offset, std::move(holders))
      .then([this, wanted = std::move(wanted),
             place](Result<MoverLink::PullReport> report) mutable -> kj::Promise<void> {
        if (!report) return byService(std::move(wanted), place, 0, report.error().why);
        finish(wanted.object);
        return kj::READY_NOW;
      });
}

kj::Promise<void> Pulls::byService(node::Pull wanted, Extent place, std::size_t holder,
                                   std::string why) {
  if (holder == wanted.holders.size()) {
    fail(wanted.object, std::move(why));
    return kj::READY_NOW;
  }
  auto peer = peers_.find(wanted.holders[holder]);
  if (peer == peers_.end()) {
    return byService(std::move(wanted), place, holder + 1, std::move(why));
  }
  ObjectId object = wanted.object;
  NodeId from = wanted.holders[holder];
  // The outcome as text: empty if every byte is in place.
  auto copied = dialer_.call(peer->second.objects)
                    .then([this, object, place](Result<kj::Own<rpc::Connection>> made)
                              -> kj::Promise<std::string> {
                      if (!made) return made.error().why;
                      auto connection = std::move(made).value();
                      auto service = connection->bootstrap().castAs<schema::ObjectService>();
                      return copyParts(kj::mv(service), object, place).attach(kj::mv(connection));
                    })
                    .catch_([](kj::Exception&& e) {
                      return std::string(e.getDescription().cStr());
                    });
  return copied.then([this, wanted = std::move(wanted), place, holder,
                      from](std::string failed) mutable -> kj::Promise<void> {
    if (!failed.empty()) return byService(std::move(wanted), place, holder + 1, std::move(failed));
    rpc::Lane& lane = serviceLanes_[from];
    if (lane.pulls++ == 0) spdlog::info("objects of node {} come by lane rpc", from.value);
    lane.node = from;
    lane.transport = "rpc";
    lane.bytes += place.size;
    finish(wanted.object);
    return kj::READY_NOW;
  });
}

// One object, a few parts in flight.
struct Pulls::Copying {
  schema::ObjectService::Client service;
  ObjectId object;
  std::span<std::byte> room;
  Bytes next = 0;
  std::string failed;

  kj::Promise<void> goOn() {
    if (next >= room.size() || !failed.empty()) return kj::READY_NOW;
    Bytes offset = next, length = std::min<Bytes>(kPart, room.size() - next);
    next += length;
    auto request = service.readRequest();
    request.setObject(object.value);
    request.setOffset(offset);
    request.setLength(static_cast<std::uint32_t>(length));
    return request.send().then([this, offset, length](auto response) {
      auto outcome = response.getOutcome();
      if (outcome.isRefusal()) {
        failed = rpc::read(outcome.getRefusal()).why;
      } else if (outcome.getBytes().size() != length) {
        failed = "the holder has another size";
      } else {
        std::memcpy(room.data() + offset, outcome.getBytes().begin(), length);
      }
      return goOn();
    });
  }
};

kj::Promise<std::string> Pulls::copyParts(schema::ObjectService::Client service, ObjectId object,
                                          Extent place) {
  auto copying =
      kj::heap<Copying>(Copying{kj::mv(service), object, store_.arena().at(place), 0, {}});
  kj::Vector<kj::Promise<void>> lanes;
  for (unsigned i = 0; i < kPartsInFlight; ++i) lanes.add(copying->goOn());
  auto all = kj::joinPromises(lanes.releaseAsArray());
  return all.then([copying = kj::mv(copying)]() { return copying->failed; });
}

void Pulls::finish(ObjectId object) {
  Result<Extent> place = store_.seal(object);
  if (!place) return feed_(node::PullFailed{object, place.error().why});
  feed_(node::Pulled{object, place.value().size});
}

void Pulls::fail(ObjectId object, std::string why) {
  static_cast<void>(store_.table().abort(object));
  feed_(node::PullFailed{object, std::move(why)});
}

std::vector<rpc::Lane> Pulls::lanes() const {
  std::vector<rpc::Lane> all;
  for (auto& [node, lane] : serviceLanes_) all.push_back(lane);
  return all;
}

void Pulls::taskFailed(kj::Exception&& e) { spdlog::error("pull: {}", e.getDescription().cStr()); }

}  // namespace alnilam
