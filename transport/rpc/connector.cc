#include "transport/rpc/connector.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace alnilam::rpc {
namespace {

using Reached = Result<kj::Own<Connection>>;
using Bound = Result<kj::Own<kj::ConnectionReceiver>>;

constexpr std::string_view kUnix = "unix:";

bool isUnix(std::string_view address) { return address.substr(0, kUnix.size()) == kUnix; }

// What is wrong with the address before anybody is asked; none if nothing.
std::optional<Refusal> fault(const std::string& address) {
  auto not_ = [&](const std::string& why) {
    return Refusal{RefusalCode::invalid, "\"" + address + "\" is not an address: " + why};
  };
  if (isUnix(address)) {
    std::size_t length = address.size() - kUnix.size();
    if (length == 0) return not_("the path is missing");
    if (length >= sizeof(sockaddr_un::sun_path)) {
      return not_("a unix socket's path has at most " +
                  std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes");
    }
    return std::nullopt;
  }
  std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return not_("HOST:PORT or unix:PATH is wanted");
  std::string_view port = std::string_view(address).substr(colon + 1);
  bool isNumber = !port.empty() && port.size() <= 5 &&
                  port.find_first_not_of("0123456789") == port.npos &&
                  std::stoul(std::string(port)) <= 65'535;
  if (!isNumber) return not_("the port is a number up to 65535");
  return std::nullopt;
}

Refusal unavailable(std::string why) { return {RefusalCode::unavailable, std::move(why)}; }

// Why a connection did not come about.  KJ's exceptions do not carry errno, but their type tells
// what matters.
Refusal unreachable(const std::string& address, kj::Exception::Type type) {
  if (isUnix(address) || type == kj::Exception::Type::DISCONNECTED) {
    return unavailable("nothing listens at " + address);
  }
  return unavailable(address + " cannot be reached");
}

// Removes a socket file at which nobody listens any more.
void removeStale(const std::string& path) {
  struct stat facts{};
  if (::lstat(path.c_str(), &facts) != 0 || !S_ISSOCK(facts.st_mode)) return;
  int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return;
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  std::memcpy(where.sun_path, path.c_str(), path.size());
  bool dead = ::connect(probe, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0 &&
              errno == ECONNREFUSED;
  ::close(probe);
  if (dead) ::unlink(path.c_str());
}

}  // namespace

void hardenSocket(kj::AsyncIoStream& stream) {
  auto set = [&](int level, int option, int value) {
    return kj::runCatchingExceptions(
               [&]() { stream.setsockopt(level, option, &value, sizeof value); }) == nullptr;
  };
  if (!set(IPPROTO_TCP, TCP_NODELAY, 1)) return;
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
}

kj::Promise<Reached> connect(kj::Network& network, kj::Timer& timer, std::string address,
                             Secret secret, Caller caller) {
  if (auto wrong = fault(address)) return Reached(std::move(*wrong));
  using Stream = Result<kj::Own<kj::AsyncIoStream>>;
  auto dialled =
      network.parseAddress(address.c_str())
          .then(
              [address](kj::Own<kj::NetworkAddress>&& where) -> kj::Promise<Stream> {
                auto connecting = where->connect();
                return connecting.attach(kj::mv(where))
                    .then([](kj::Own<kj::AsyncIoStream>&& made) { return Stream(kj::mv(made)); },
                          [address](kj::Exception&& cause) {
                            return Stream(unreachable(address, cause.getType()));
                          });
              },
              [address](kj::Exception&&) -> kj::Promise<Stream> {
                return Stream(unavailable("the host of " + address + " is not known"));
              })
          .exclusiveJoin(timer.afterDelay(caller.deadline).then([address]() {
            return Stream(unavailable(address + " cannot be reached: no answer"));
          }));
  return dialled.then([&timer, address, secret, caller](Stream found) -> kj::Promise<Reached> {
    if (!found) return Reached(found.error());
    auto stream = std::move(found).value();
    hardenSocket(*stream);
    auto& asked = *stream;
    auto known = kj::heap<Secret>(secret);
    auto& secretKept = *known;
    return introduce(asked, timer, secretKept, caller.role, address, caller.deadline)
        .attach(kj::mv(known))
        .then([&timer, caller, stream = kj::mv(stream)](Result<Role> role) mutable -> Reached {
          if (!role) return role.error();
          return kj::heap<Connection>(kj::mv(stream), timer, caller.limits);
        });
  });
}

kj::Promise<Bound> bindAt(kj::Network& network, std::string address) {
  if (auto wrong = fault(address)) return Bound(std::move(*wrong));
  return network.parseAddress(address.c_str())
      .then(
          [address](kj::Own<kj::NetworkAddress>&& where) -> Bound {
            kj::Own<kj::ConnectionReceiver> receiver;
            if (isUnix(address)) removeStale(address.substr(kUnix.size()));
            auto failed = kj::runCatchingExceptions([&]() { receiver = where->listen(); });
            if (failed != nullptr) {
              return unavailable("cannot listen at " + address +
                                 ": it is taken, or not of this host");
            }
            if (isUnix(address)) ::chmod(address.c_str() + kUnix.size(), 0600);
            return kj::mv(receiver);
          },
          [address](kj::Exception&&) -> Bound {
            return unavailable("the host of " + address + " is not known");
          });
}

}  // namespace alnilam::rpc
