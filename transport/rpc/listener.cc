#include "transport/rpc/listener.h"

#include "transport/rpc/connector.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace alnilam::rpc {
namespace {

constexpr auto kPause = 50 * kj::MILLISECONDS;

std::string addressOf(kj::AsyncIoStream& stream) {
  sockaddr_storage where{};
  kj::uint length = sizeof where;
  auto failed = kj::runCatchingExceptions(
      [&]() { stream.getpeername(reinterpret_cast<sockaddr*>(&where), &length); });
  if (failed != nullptr) return "somewhere";
  char text[INET6_ADDRSTRLEN] = {};
  if (where.ss_family == AF_INET) {
    auto* in = reinterpret_cast<sockaddr_in*>(&where);
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(in->sin_port));
  }
  if (where.ss_family == AF_INET6) {
    auto* in = reinterpret_cast<sockaddr_in6*>(&where);
    inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(in->sin6_port));
  }
  return "a local process";
}

int openSpare() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

void CalmLog::say(const std::string& text) {
  if (!line_) return;
  kj::TimePoint now = timer_.now();
  KJ_IF_MAYBE(last, last_) {
    if (now - *last < 1 * kj::SECONDS) {
      ++unsaid_;
      return;
    }
  }
  last_ = now;
  line_(unsaid_ == 0 ? text : text + " (and " + std::to_string(unsaid_) + " like it before)");
  unsaid_ = 0;
}

struct Listener::Inside {
  Inside(Peer who, kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer,
         capnp::Capability::Client bootstrap, StreamLimits limits, kj::Own<Mailbox> mailbox)
      : peer(std::move(who)),
        connection(kj::mv(stream), timer, kj::mv(bootstrap), limits, kj::mv(mailbox)) {}

  Peer peer;
  Connection connection;
  kj::Promise<void> watch = nullptr;  // for its end; destroyed first
};

Listener::Listener(kj::Timer& timer, Secret secret, Config config, Door& door)
    : timer_(timer), secret_(secret), config_(std::move(config)), door_(door),
      log_(timer, config_.log), spare_(openSpare()), tasks_(*this) {}

Listener::~Listener() noexcept(false) {
  if (spare_ >= 0) ::close(spare_);
}

void Listener::listen(kj::Own<kj::ConnectionReceiver> receiver) {
  auto& at = *receiver;
  tasks_.add(acceptLoop(at, 0).attach(kj::mv(receiver)));
}

kj::Promise<void> Listener::acceptLoop(kj::ConnectionReceiver& receiver, unsigned failures) {
  // evalNow: accept() may throw instead of returning a promise that fails.
  return kj::evalNow([&receiver]() { return receiver.accept(); }).then(
      [this, &receiver](kj::Own<kj::AsyncIoStream>&& stream) {
        ++counts_.accepted;
        auto failed = kj::runCatchingExceptions([&]() { take(kj::mv(stream)); });
        KJ_IF_MAYBE(cause, failed) { taskFailed(kj::mv(*cause)); }
        return acceptLoop(receiver, 0);
      },
      [this, &receiver, failures](kj::Exception&& cause) {
        return afterFailedAccept(receiver, failures + 1, kj::mv(cause));
      });
}

kj::Promise<void> Listener::afterFailedAccept(kj::ConnectionReceiver& receiver, unsigned failures,
                                              kj::Exception&& cause) {
  ++counts_.failedAccepts;
  bool isOut = cause.getType() == kj::Exception::Type::OVERLOADED;
  if (isOut && spare_ >= 0) return sendNewestAway(receiver);
  // Mostly a caller that was gone before it was accepted; if it goes on, the socket itself is ill.
  if (!isOut && failures < 100) return acceptLoop(receiver, failures);
  log_.say("cannot accept connections: " + std::string(cause.getDescription().cStr()));
  return timer_.afterDelay(kPause).then([this, &receiver, failures]() {
    if (spare_ < 0) spare_ = openSpare();
    return acceptLoop(receiver, failures);
  });
}

kj::Promise<void> Listener::sendNewestAway(kj::ConnectionReceiver& receiver) {
  ::close(spare_);
  spare_ = -1;
  return kj::evalNow([&receiver]() { return receiver.accept(); })
      .then(
          [this](kj::Own<kj::AsyncIoStream>&& stream) {
            ++counts_.accepted;
            spare_ = openSpare();
            if (spare_ >= 0) {  // there is room again: it came while nobody was there to send away
              take(kj::mv(stream));
              return;
            }
            ++counts_.turnedAway;
            log_.say("out of file descriptors: the newest connection was turned away");
          },
          [](kj::Exception&&) {})  // somebody else took the spare's place: a pause follows
      .then([this, &receiver]() {
        if (spare_ < 0) spare_ = openSpare();
        auto pause = spare_ < 0 ? kPause : 0 * kj::SECONDS;
        return timer_.afterDelay(pause).then([this, &receiver]() {
          return acceptLoop(receiver, 0);
        });
      });
}

void Listener::take(kj::Own<kj::AsyncIoStream> stream) {
  if (handshakes_ + inside_.size() >= config_.maxConnections) {
    ++counts_.turnedAway;
    log_.say("too many connections: one from " + addressOf(*stream) + " was turned away");
    auto told = turnAway(*stream);
    tasks_.add(told.exclusiveJoin(timer_.afterDelay(kPause)).attach(kj::mv(stream)));
    return;
  }
  ++handshakes_;
  hardenSocket(*stream);
  auto& asked = *stream;
  tasks_.add(
      admit(asked, timer_, secret_, config_.served, config_.handshakeDeadline)
          .then([this, stream = kj::mv(stream)](Result<Role> role) mutable {
            --handshakes_;
            std::string address = addressOf(*stream);
            if (role) {
              let(kj::mv(stream), role.value(), std::move(address));
              return;
            }
            ++counts_.refused;
            log_.say("refused a connection from " + address + ": " + role.error().why);
          }));
}

void Listener::let(kj::Own<kj::AsyncIoStream> stream, Role role, std::string address) {
  ++counts_.welcomed;
  auto mailbox = kj::refcounted<Mailbox>();
  Peer peer{nextId_++, role, std::move(address), mailbox.get()};
  std::uint64_t id = peer.id;
  auto bootstrap = door_.welcome(peer);
  auto inside = kj::heap<Inside>(std::move(peer), kj::mv(stream), timer_, kj::mv(bootstrap),
                                 config_.limits, kj::mv(mailbox));
  inside->watch = inside->connection.whenEnded()
                      .then([this, id](std::string why) { close(id, why); })
                      .eagerlyEvaluate(nullptr);
  inside_.emplace(id, kj::mv(inside));
}

void Listener::forget(std::uint64_t id, const std::string& why) {
  auto it = inside_.find(id);
  if (it == inside_.end()) return;
  auto inside = kj::mv(it->second);
  inside_.erase(it);
  if (!why.empty()) log_.say("closed the connection from " + inside->peer.address + ": " + why);
  door_.left(inside->peer, why);
}

void Listener::close(std::uint64_t id, const std::string& why) {
  // In a turn of its own: a connection is not destroyed from inside its own promises.
  tasks_.add(kj::evalLater([this, id, why]() { forget(id, why); }));
}

Listener::Counts Listener::counts() const {
  Counts counts = counts_;
  counts.open = handshakes_ + inside_.size();
  return counts;
}

void Listener::taskFailed(kj::Exception&& cause) {
  log_.say("a connection failed: " + std::string(cause.getDescription().cStr()));
}

}  // namespace alnilam::rpc
