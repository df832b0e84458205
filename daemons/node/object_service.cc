#include "daemons/node/object_service.h"

#include "transport/rpc/common_codec.h"

#include <kj/debug.h>
#include <algorithm>
#include <cstring>

namespace alnilam {
namespace {

constexpr Bytes kMaxPart = 1_MiB;

class ArenaDescriptor final : public schema::Arena::Server {
 public:
  explicit ArenaDescriptor(int fd) : fd_(fd) {}
  kj::Maybe<int> getFd() override { return fd_; }

 private:
  int fd_;  // the arena's own
};

}  // namespace

class ObjectServices::Pin final : public schema::Pin::Server {
 public:
  Pin(Store& store, ObjectId object) : store_(store), object_(object) {}
  ~Pin() noexcept(false) { static_cast<void>(store_.table().unpin(object_)); }

 private:
  Store& store_;
  ObjectId object_;
};

// An object that a program writes: gone again unless it is sealed.
class ObjectServices::Reservation final : public schema::Reservation::Server {
 public:
  Reservation(ObjectServices& services, ObjectId object) : services_(services), object_(object) {}
  ~Reservation() noexcept(false) {
    if (!sealed_) static_cast<void>(services_.store_.table().abort(object_));
  }

 protected:
  kj::Promise<void> seal(SealContext context) override {
    Result<bool> sealed = services_.seal(object_);
    if (!sealed) rpc::write(sealed.error(), context.getResults().initRefusal());
    sealed_ = true;
    return kj::READY_NOW;
  }

 private:
  ObjectServices& services_;
  ObjectId object_;
  bool sealed_ = false;
};

class ObjectServices::Upload final : public schema::Upload::Server {
 public:
  Upload(ObjectServices& services, ObjectId object, Extent place)
      : services_(services), object_(object), place_(place) {}
  ~Upload() noexcept(false) {
    if (!sealed_) static_cast<void>(services_.store_.table().abort(object_));
  }

 protected:
  kj::Promise<void> write(WriteContext context) override {
    auto params = context.getParams();
    auto bytes = params.getBytes();
    KJ_REQUIRE(!sealed_, "the object is sealed");
    KJ_REQUIRE(params.getOffset() <= place_.size &&
                   bytes.size() <= place_.size - params.getOffset(),
               "bytes past the end of the object");
    std::memcpy(services_.store_.arena().at(place_).data() + params.getOffset(), bytes.begin(),
                bytes.size());
    return kj::READY_NOW;
  }

  kj::Promise<void> seal(SealContext context) override {
    Result<bool> sealed = services_.seal(object_);
    if (!sealed) rpc::write(sealed.error(), context.getResults().initRefusal());
    sealed_ = true;
    return kj::READY_NOW;
  }

 private:
  ObjectServices& services_;
  ObjectId object_;
  Extent place_;
  bool sealed_ = false;
};

// What both kinds of connection may ask.
template <typename Interface>
class ObjectServices::Server : public Interface::Server {
 public:
  explicit Server(ObjectServices& services) : services_(services) {}

 protected:
  using Service = schema::ObjectService;

  kj::Promise<void> size(typename Service::Server::SizeContext context) override {
    auto outcome = context.getResults().initOutcome();
    ObjectId object{context.getParams().getObject()};
    if (auto place = services_.store_.table().find(object)) {
      outcome.setSize(place->size);
    } else {
      rpc::write(unknown(object), outcome.initRefusal());
    }
    return kj::READY_NOW;
  }

  kj::Promise<void> read(typename Service::Server::ReadContext context) override {
    auto params = context.getParams();
    ObjectId object{params.getObject()};
    auto place = services_.store_.table().find(object);
    if (!place) {
      rpc::write(unknown(object), context.getResults().initOutcome().initRefusal());
      return kj::READY_NOW;
    }
    Bytes from = std::min(params.getOffset(), place->size);
    Bytes length = std::min({Bytes{params.getLength()}, place->size - from, kMaxPart});
    std::span<std::byte> bytes = services_.store_.arena().at(*place).subspan(from, length);
    auto results = context.getResults(capnp::MessageSize{length / sizeof(capnp::word) + 16, 0});
    results.initOutcome().setBytes(
        kj::ArrayPtr<const kj::byte>(reinterpret_cast<const kj::byte*>(bytes.data()), length));
    return kj::READY_NOW;
  }

  kj::Promise<void> create(typename Service::Server::CreateContext context) override {
    auto params = context.getParams();
    auto outcome = context.getResults().initOutcome();
    ObjectId object{params.getObject()};
    Result<Extent> place = services_.create(object, params.getSize());
    if (place) {
      outcome.setUpload(kj::heap<Upload>(services_, object, place.value()));
    } else {
      rpc::write(place.error(), outcome.initRefusal());
    }
    return kj::READY_NOW;
  }

  static Refusal unknown(ObjectId object) {
    return {RefusalCode::unknown, "object " + show(object) + " is not here"};
  }

  ObjectServices& services_;
};

class ObjectServices::RemoteServer final : public Server<schema::ObjectService> {
 public:
  using Server::Server;
};

class ObjectServices::LocalServer final : public Server<schema::LocalObjectService> {
 public:
  using Server::Server;

 protected:
  kj::Promise<void> map(MapContext context) override {
    auto results = context.getResults();
    results.setArena(kj::heap<ArenaDescriptor>(services_.store_.arena().fd()));
    results.setSize(services_.store_.arena().size());
    return kj::READY_NOW;
  }

  kj::Promise<void> locate(LocateContext context) override {
    auto outcome = context.getResults().initOutcome();
    ObjectId object{context.getParams().getObject()};
    Result<Extent> place = services_.store_.table().pin(object);
    if (!place) {
      rpc::write(place.error(), outcome.initRefusal());
      return kj::READY_NOW;
    }
    auto where = outcome.initPlace();
    where.setOffset(place.value().offset);
    where.setSize(place.value().size);
    outcome.setPin(kj::heap<Pin>(services_.store_, object));
    return kj::READY_NOW;
  }

  kj::Promise<void> allocate(AllocateContext context) override {
    auto params = context.getParams();
    auto outcome = context.getResults().initOutcome();
    ObjectId object{params.getObject()};
    Result<Extent> place = services_.create(object, params.getSize());
    if (!place) {
      rpc::write(place.error(), outcome.initRefusal());
      return kj::READY_NOW;
    }
    outcome.setReservation(kj::heap<Reservation>(services_, object));
    outcome.setOffset(place.value().offset);
    return kj::READY_NOW;
  }
};

Result<Extent> ObjectServices::create(ObjectId object, Bytes size) {
  if (!object) return Refusal{RefusalCode::invalid, "an object's id is zero"};
  return store_.table().create(object, size);
}

Result<bool> ObjectServices::seal(ObjectId object) {
  Result<Extent> place = store_.seal(object);
  if (!place) return place.error();
  onPut_(object, place.value().size);
  return true;
}

schema::ObjectService::Client ObjectServices::remote() {
  return kj::heap<RemoteServer>(*this);
}

schema::LocalObjectService::Client ObjectServices::local() {
  return kj::heap<LocalServer>(*this);
}

}  // namespace alnilam
