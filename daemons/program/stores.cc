#include "daemons/program/stores.h"

#include <capnp/capability.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

namespace alnilam {
namespace {

constexpr Bytes kPart = 1_MiB;
constexpr unsigned kPartsInFlight = 8;

std::string describe(const kj::Exception& exception) {
  return std::string(exception.getDescription().cStr());
}

}  // namespace

// Pins of Blobs that may be dropped by any thread; the capabilities live on the loop.
struct Stores::Pins {
  std::mutex mutex;
  std::vector<std::uint64_t> unused;  // dropped by user threads, not yet given back
  std::function<void()> wake;
  std::map<std::uint64_t, schema::Pin::Client> held;  // loop only
  std::uint64_t next = 1;                             // loop only

  void drop(std::uint64_t pin) {
    std::lock_guard lock(mutex);
    unused.push_back(pin);
    if (wake) wake();
  }
};

struct Stores::Node {
  rpc::NodeAddress address;
  bool isHere = false;  // on this host, with a unix socket
  kj::Maybe<kj::ForkedPromise<void>> connected;
  std::optional<Refusal> refused;
  kj::Maybe<kj::Own<rpc::Connection>> connection;
  kj::Maybe<schema::ObjectService::Client> service;
  kj::Maybe<schema::LocalObjectService::Client> local;
  std::shared_ptr<ArenaMap> arena;  // shared with Blobs that were read in place

  // Connects once; `service` is set, and `local` and `arena` where the node is here, or `refused`.
  kj::Promise<void> reach(Dialer& dialer);
  kj::Promise<void> reachRemote(Dialer& dialer);
  kj::Promise<void> mapArena();
};

kj::Promise<void> Stores::Node::reach(Dialer& dialer) {
  KJ_IF_MAYBE(promise, connected) { return promise->addBranch(); }
  kj::Promise<void> reached = nullptr;
  if (!isHere) {
    reached = reachRemote(dialer);
  } else {
    reached = dialer.call("unix:" + address.localPath)
                  .then([this, &dialer](Result<kj::Own<rpc::Connection>> made)
                            -> kj::Promise<void> {
                    if (!made) return reachRemote(dialer);  // not our file system
                    connection = std::move(made).value();
                    local = KJ_ASSERT_NONNULL(connection)
                                ->bootstrap()
                                .castAs<schema::LocalObjectService>();
                    service = KJ_ASSERT_NONNULL(local);
                    return mapArena();
                  });
  }
  auto forked = reached.fork();
  auto branch = forked.addBranch();
  connected = kj::mv(forked);
  return branch;
}

kj::Promise<void> Stores::Node::reachRemote(Dialer& dialer) {
  local = nullptr;
  isHere = false;
  return dialer.call(address.objects)
      .then([this](Result<kj::Own<rpc::Connection>> made) {
        if (!made) {
          refused = made.error();
          return;
        }
        connection = std::move(made).value();
        service = KJ_ASSERT_NONNULL(connection)->bootstrap().castAs<schema::ObjectService>();
      });
}

kj::Promise<void> Stores::Node::mapArena() {
  return KJ_ASSERT_NONNULL(local).mapRequest().send().then([this](auto response) {
    auto capability = response.getArena();
    Bytes size = response.getSize();
    return capability.getFd().then([this, size, capability](kj::Maybe<int> fd) {
      KJ_IF_MAYBE(descriptor, fd) {
        Result<ArenaMap> map = ArenaMap::map(*descriptor, size);
        if (map) arena = std::make_shared<ArenaMap>(std::move(map).value());
      }
      if (!arena) isHere = false;  // read in parts, over the same socket
    });
  });
}

Stores::Stores(Dialer& dialer, std::string hostIdentity, std::function<void()> wake)
    : dialer_(dialer),
      hostIdentity_(std::move(hostIdentity)),
      pins_(std::make_shared<Pins>()) {
  pins_->wake = std::move(wake);
}

Stores::~Stores() {
  std::lock_guard lock(pins_->mutex);
  pins_->wake = nullptr;
  pins_->held.clear();
}

void Stores::know(const rpc::NodeAddress& address) {
  std::shared_ptr<Node>& node = nodes_[address.node];
  if (node && node->address == address) return;
  node = std::make_shared<Node>();
  node->address = address;
  node->isHere = !address.localPath.empty() && address.hostIdentity == hostIdentity_;
}

void Stores::releaseUnpinned() {
  std::vector<std::uint64_t> unused;
  {
    std::lock_guard lock(pins_->mutex);
    unused.swap(pins_->unused);
  }
  for (std::uint64_t pin : unused) pins_->held.erase(pin);
}

kj::Promise<Result<Blob>> Stores::fetch(ObjectId object, Value stored) {
  // A holder on this host first.
  std::stable_partition(stored.holders.begin(), stored.holders.end(), [this](NodeId holder) {
    auto it = nodes_.find(holder);
    return it != nodes_.end() && it->second->isHere;
  });
  return fetchFrom(object, std::move(stored), 0, "nobody holds object " + show(object));
}

kj::Promise<Result<Blob>> Stores::fetchFrom(ObjectId object, Value stored, std::size_t holder,
                                            std::string why) {
  if (holder == stored.holders.size()) {
    return Result<Blob>(Refusal{RefusalCode::unavailable, std::move(why)});
  }
  auto it = nodes_.find(stored.holders[holder]);
  if (it == nodes_.end()) {
    return fetchFrom(object, std::move(stored), holder + 1, std::move(why));
  }
  std::shared_ptr<Node> node = it->second;
  Bytes size = stored.size;
  auto read = node->reach(dialer_).then([this, node, object, size]() {
    if (node->refused) return kj::Promise<Result<Blob>>(Result<Blob>(*node->refused));
    return node->isHere ? readHere(*node, object) : readParts(*node, object, size);
  });
  auto caught = read.catch_([this, node](kj::Exception&& exception) {
    auto known = nodes_.find(node->address.node);
    if (known != nodes_.end() && known->second == node) nodes_.erase(known);
    return Result<Blob>(Refusal{RefusalCode::unavailable, describe(exception)});
  });
  return caught.then([this, node, object, stored = std::move(stored),
                      holder](Result<Blob> bytes) mutable -> kj::Promise<Result<Blob>> {
    if (bytes) return bytes;
    return fetchFrom(object, std::move(stored), holder + 1, bytes.error().why);
  });
}

kj::Promise<Result<Blob>> Stores::readHere(Node& node, ObjectId object) {
  auto request = KJ_ASSERT_NONNULL(node.local).locateRequest();
  request.setObject(object.value);
  return request.send().then([this, arena = node.arena](auto response) -> Result<Blob> {
    auto outcome = response.getOutcome();
    if (outcome.isRefusal()) {
      return Refusal{RefusalCode::unavailable, rpc::read(outcome.getRefusal()).why};
    }
    Extent place{outcome.getPlace().getOffset(), outcome.getPlace().getSize()};
    if (!arena->holds(place)) {
      return Refusal{RefusalCode::invalid, "a node named a place outside of its store"};
    }
    std::uint64_t pin = pins_->next++;
    pins_->held.emplace(pin, outcome.getPin());
    // The Blob owns the mapping and, through `pins`, the node's pin.
    std::shared_ptr<const std::byte> owner(arena->at(place).data(),
                                           [arena, pins = pins_, pin](const std::byte*) {
                                             pins->drop(pin);
                                           });
    return Blob::adopt(std::move(owner), place.size);
  });
}

kj::Promise<Result<Blob>> Stores::readParts(Node& node, ObjectId object, Bytes size) {
  struct Reading {
    explicit Reading(schema::ObjectService::Client from, ObjectId what, Bytes bytes)
        : service(kj::mv(from)), object(what), size(bytes) {
      blob = Blob::fill(size, [this](std::span<std::byte> bytesOf) { room = bytesOf; });
    }
    kj::Promise<void> readOn() {
      if (next >= size || failed) return kj::READY_NOW;
      Bytes offset = next, length = std::min(kPart, size - next);
      next += length;
      auto request = service.readRequest();
      request.setObject(object.value);
      request.setOffset(offset);
      request.setLength(static_cast<std::uint32_t>(length));
      return request.send().then([this, offset, length](auto response) {
        auto outcome = response.getOutcome();
        if (outcome.isRefusal()) {
          failed = Refusal{RefusalCode::unavailable, rpc::read(outcome.getRefusal()).why};
        } else if (outcome.getBytes().size() != length) {
          failed = Refusal{RefusalCode::unavailable, "object " + show(object) + " was cut short"};
        } else {
          std::memcpy(room.data() + offset, outcome.getBytes().begin(), length);
        }
        return readOn();
      });
    }

    schema::ObjectService::Client service;
    ObjectId object;
    Bytes size, next = 0;
    Blob blob;
    std::span<std::byte> room;
    std::optional<Refusal> failed;
  };
  // The head's word for the size is checked before so much is allocated for it.
  auto sizeRequest = KJ_ASSERT_NONNULL(node.service).sizeRequest();
  sizeRequest.setObject(object.value);
  auto service = KJ_ASSERT_NONNULL(node.service);
  return sizeRequest.send().then(
      [service, object, size](auto response) mutable -> kj::Promise<Result<Blob>> {
        auto outcome = response.getOutcome();
        if (outcome.isRefusal() || outcome.getSize() != size) {
          return Result<Blob>(
              Refusal{RefusalCode::unavailable, "object " + show(object) + " is not there"});
        }
        auto reading = kj::heap<Reading>(service, object, size);
        kj::Vector<kj::Promise<void>> lanes;
        for (unsigned i = 0; i < kPartsInFlight; ++i) lanes.add(reading->readOn());
        return kj::joinPromises(lanes.releaseAsArray())
            .then([reading = kj::mv(reading)]() -> Result<Blob> {
              if (reading->failed) return *reading->failed;
              return std::move(reading->blob);
            });
      });
}

namespace {

// A value being written into the arena of a node on this host.
struct LocalRoom {
  schema::Reservation::Client reservation;
  std::shared_ptr<ArenaMap> arena;  // shared with the Stores' node
};

// A value being written to a node elsewhere: filled here, sent at the seal.
struct RemoteRoom {
  schema::Upload::Client upload;
  Blob blob;
  std::span<std::byte> bytes;
};

kj::Promise<Result<bool>> sealLocal(LocalRoom& room) {
  return room.reservation.sealRequest().send().then([](auto response) -> Result<bool> {
    if (response.hasRefusal()) return rpc::read(response.getRefusal());
    return true;
  });
}

kj::Promise<Result<bool>> uploadFrom(RemoteRoom& room, Bytes offset) {
  if (offset == room.bytes.size()) {
    return room.upload.sealRequest().send().then([](auto response) -> Result<bool> {
      if (response.hasRefusal()) return rpc::read(response.getRefusal());
      return true;
    });
  }
  std::size_t length = std::min<std::size_t>(kPart, room.bytes.size() - offset);
  auto request = room.upload.writeRequest();
  request.setOffset(offset);
  request.setBytes(kj::ArrayPtr<const kj::byte>(
      reinterpret_cast<const kj::byte*>(room.bytes.data() + offset), length));
  return request.send().then(
      [&room, offset, length](auto) { return uploadFrom(room, offset + length); });
}

}  // namespace

kj::Promise<Result<kj::Own<Stores::Room>>> Stores::allocate(ObjectId object, Bytes size) {
  std::shared_ptr<Node> node;
  for (auto& [id, candidate] : nodes_) {
    if (candidate->refused) continue;
    if (!node || (candidate->isHere && !node->isHere)) node = candidate;
  }
  if (!node) {
    return Result<kj::Own<Room>>(
        Refusal{RefusalCode::unavailable, "no node is there to keep a value of " +
                                              showBytes(size) + "; is one started?"});
  }
  return node->reach(dialer_).then([this, node, object, size]() {
    return node->refused ? kj::Promise<Result<kj::Own<Room>>>(Result<kj::Own<Room>>(*node->refused))
           : node->isHere ? allocateHere(*node, object, size)
                          : allocateThere(*node, object, size);
  });
}

kj::Promise<Result<kj::Own<Stores::Room>>> Stores::allocateHere(Node& node, ObjectId object,
                                                                Bytes size) {
  auto request = KJ_ASSERT_NONNULL(node.local).allocateRequest();
  request.setObject(object.value);
  request.setSize(size);
  return request.send().then([arena = node.arena, id = node.address.node, size](
                                 auto response) -> Result<kj::Own<Room>> {
    auto outcome = response.getOutcome();
    if (outcome.isRefusal()) return rpc::read(outcome.getRefusal());
    Extent place{outcome.getOffset(), size};
    if (!arena->holds(place)) {
      return Refusal{RefusalCode::invalid, "a node named a place outside of its store"};
    }
    auto keep = kj::heap<LocalRoom>(LocalRoom{outcome.getReservation(), arena});
    LocalRoom& local = *keep;
    return kj::heap<Room>(Room{id, arena->at(place), kj::mv(keep), [&local]() {
                                 return sealLocal(local);
                               }});
  });
}

kj::Promise<Result<kj::Own<Stores::Room>>> Stores::allocateThere(Node& node, ObjectId object,
                                                                 Bytes size) {
  auto request = KJ_ASSERT_NONNULL(node.service).createRequest();
  request.setObject(object.value);
  request.setSize(size);
  return request.send().then(
      [id = node.address.node, size](auto response) -> Result<kj::Own<Room>> {
        auto outcome = response.getOutcome();
        if (outcome.isRefusal()) return rpc::read(outcome.getRefusal());
        auto keep = kj::heap<RemoteRoom>(RemoteRoom{outcome.getUpload(), {}, {}});
        RemoteRoom& remote = *keep;
        remote.blob = Blob::fill(size, [&](std::span<std::byte> bytes) { remote.bytes = bytes; });
        return kj::heap<Room>(Room{id, remote.bytes, kj::mv(keep),
                                   [&remote]() { return uploadFrom(remote, 0); }});
      });
}

}  // namespace alnilam
