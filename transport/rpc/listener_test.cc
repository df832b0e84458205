// A listener on loopback, and those who mean it well and those who do not.

#include "transport/rpc/listener.h"

#include "schema/client.capnp.h"
#include "schema/object.capnp.h"
#include "transport/rpc/connector.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace alnilam::rpc {
namespace {

using testing::HasSubstr;

class Answering final : public schema::Inspector::Server {
  kj::Promise<void> explain(ExplainContext context) override {
    context.getResults().setText("because");
    return kj::READY_NOW;
  }
};

Secret secretOf(unsigned char byte) {
  Secret secret;
  secret.bytes.fill(byte);
  return secret;
}

struct World final : Listener::Door {
  explicit World(Listener::Config config = {}) {
    config.log = [this](const std::string& line) { lines.push_back(line); };
    listener = kj::heap<Listener>(timer, secretOf(1), std::move(config), *this);
    auto bound = bindAt(network, "127.0.0.1:0").wait(io.waitScope);
    auto receiver = std::move(bound).value();
    port = receiver->getPort();
    address = "127.0.0.1:" + std::to_string(port);
    listener->listen(kj::mv(receiver));
  }
  capnp::Capability::Client welcome(const Peer& peer) override {
    welcomed.push_back(peer);
    return kj::heap<Answering>();
  }
  void left(const Peer& peer, const std::string& why) override { reasons.push_back(why); }

  Result<kj::Own<Connection>> dial(std::string to, unsigned char secret = 1,
                                   Role role = Role::client) {
    return connect(network, timer, to, secretOf(secret), {role}).wait(io.waitScope);
  }
  std::string ask(Connection& connection) {
    auto inspector = connection.bootstrap().castAs<schema::Inspector>();
    auto answer = inspector.explainRequest().send().wait(io.waitScope);
    return answer.getText().cStr();
  }
  std::string askAnew() {
    auto connection = dial(address);
    if (!connection) return connection.error().why;
    return ask(*connection.value());
  }
  // A plain blocking socket, as a stranger would use.
  int rawSocket() {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(static_cast<std::uint16_t>(port));
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0) return fd;
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
    return fd;
  }
  // Lets the loop turn until `holds` does; false after ten seconds.
  template <typename Holds>
  bool eventually(Holds&& holds) {
    auto until = timer.now() + 10 * kj::SECONDS;
    while (!holds() && timer.now() < until) {
      timer.afterDelay(1 * kj::MILLISECONDS).wait(io.waitScope);
    }
    return holds();
  }

  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::Timer& timer = io.provider->getTimer();
  kj::Network& network = io.provider->getNetwork();
  std::vector<std::string> lines, reasons;
  std::vector<Peer> welcomed;
  kj::Own<Listener> listener;
  unsigned port = 0;
  std::string address;
};

TEST(Listener, ServesWhoHasTheSecretAndKnowsTheRole) {
  World world;
  auto connection = world.dial(world.address, 1, Role::tool);
  ASSERT_TRUE(connection.hasValue()) << connection.error().why;
  EXPECT_EQ(world.ask(*connection.value()), "because");
  ASSERT_EQ(world.welcomed.size(), 1u);
  EXPECT_EQ(world.welcomed[0].role, Role::tool);
  EXPECT_THAT(world.welcomed[0].address, HasSubstr("127.0.0.1:"));
  auto gone = std::move(connection).value();
  gone = nullptr;
  EXPECT_TRUE(world.eventually([&] { return world.reasons.size() == 1; }));
  EXPECT_EQ(world.reasons[0], "");
  EXPECT_EQ(world.listener->counts().open, 0u);
}

TEST(Listener, RefusesAnotherSecretAndGoesOn) {
  World world;
  auto refused = world.dial(world.address, 2);
  ASSERT_FALSE(refused.hasValue());
  EXPECT_EQ(refused.error().code, RefusalCode::notAllowed);
  EXPECT_THAT(refused.error().why, HasSubstr(world.address + " belongs to a cluster with another"));
  EXPECT_TRUE(world.welcomed.empty());
  EXPECT_EQ(world.askAnew(), "because");
  EXPECT_EQ(world.listener->counts().refused, 1u);
}

TEST(Listener, RefusesARoleThatItDoesNotServe) {
  Listener::Config config;
  config.served = Roles{}.with(Role::node);
  World world(config);
  auto refused = world.dial(world.address, 1, Role::client);
  ASSERT_FALSE(refused.hasValue());
  EXPECT_EQ(refused.error().why, world.address + " does not serve a client");
}

TEST(Listener, ClosesAConnectionWhenItsOwnerSaysSo) {
  World world;
  auto connection = world.dial(world.address);
  ASSERT_TRUE(connection.hasValue());
  EXPECT_EQ(world.ask(*connection.value()), "because");
  auto ended = connection.value()->whenEnded();
  world.listener->close(world.welcomed[0].id, "it was declared lost");
  world.listener->close(12345, "nobody");
  EXPECT_EQ(ended.wait(world.io.waitScope), "");
  EXPECT_EQ(world.reasons, std::vector<std::string>{"it was declared lost"});
  EXPECT_EQ(world.listener->counts().open, 0u);
}

TEST(Connector, AConnectionThatIsDestroyedEndsItsPromise) {
  World world;
  auto connection = world.dial(world.address);
  ASSERT_TRUE(connection.hasValue());
  auto ended = connection.value()->whenEnded();
  auto gone = std::move(connection).value();
  gone = nullptr;
  EXPECT_NE(ended.wait(world.io.waitScope), "");
}

TEST(Connector, NamesTheAddressWhereNobodyListens) {
  World world;
  struct Row { std::string address; RefusalCode code; const char* why; };
  const Row rows[] = {
    {"127.0.0.1:1", RefusalCode::unavailable, "nothing listens at 127.0.0.1:1"},
    {"unix:/tmp/no-such-alnilam-socket", RefusalCode::unavailable,
     "nothing listens at unix:/tmp/no-such-alnilam-socket"},
    {"no-such-host.invalid:7777", RefusalCode::unavailable, "no-such-host.invalid:7777"},
    {"127.0.0.1", RefusalCode::invalid, "HOST:PORT or unix:PATH is wanted"},
    {"127.0.0.1:", RefusalCode::invalid, "the port is a number"},
    {"127.0.0.1:99999", RefusalCode::invalid, "the port is a number"},
    {"127.0.0.1:-1", RefusalCode::invalid, "the port is a number"},
    {"", RefusalCode::invalid, "is not an address"},
    {"unix:", RefusalCode::invalid, "the path is missing"},
    {"unix:/" + std::string(200, 'a'), RefusalCode::invalid, "at most 107 bytes"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.address);
    auto got = world.dial(row.address);
    ASSERT_FALSE(got.hasValue());
    EXPECT_EQ(got.error().code, row.code) << got.error().why;
    EXPECT_THAT(got.error().why, HasSubstr(row.why));
  }
}

TEST(Listener, TheSameAddressTwiceIsRefused) {
  World world;
  auto second = bindAt(world.network, world.address).wait(world.io.waitScope);
  ASSERT_FALSE(second.hasValue());
  EXPECT_THAT(second.error().why, HasSubstr("cannot listen at " + world.address));
}

TEST(Listener, ClosesGarbageAtOnceAndSaysAtMostALineASecond) {
  World world;
  const std::string garbage[] = {
    std::string("\xff\xff\xff\xff\0\0\0\0", 8), "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    std::string(1000, '\0'), std::string("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03", 10)};
  for (int round = 0; round < 25; ++round) {
    for (auto& text : garbage) {
      int fd = world.rawSocket();
      EXPECT_GT(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), 0);
      auto before = world.listener->counts().refused;
      EXPECT_TRUE(world.eventually([&] { return world.listener->counts().refused > before; }));
      char byte;
      EXPECT_LE(::recv(fd, &byte, 1, 0), 0) << "it was not closed";
      ::close(fd);
    }
  }
  EXPECT_EQ(world.listener->counts().refused, 100u);
  EXPECT_LE(world.lines.size(), 3u);
  EXPECT_TRUE(world.welcomed.empty());
  EXPECT_EQ(world.askAnew(), "because");
}

TEST(Listener, SurvivesAThousandResets) {
  World world;
  linger abort{1, 0};
  for (int i = 0; i < 1000; ++i) {
    int fd = world.rawSocket();
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    ::close(fd);  // a reset, mostly before the listener has accepted
    if (i % 50 == 0) world.timer.afterDelay(1 * kj::MILLISECONDS).wait(world.io.waitScope);
  }
  EXPECT_EQ(world.askAnew(), "because");
  EXPECT_TRUE(world.eventually([&] { return world.listener->counts().open == 0; }));
  EXPECT_LE(world.lines.size(), 10u);
}

TEST(Listener, TurnsTheNewestAwayWhenItIsFull) {
  Listener::Config config;
  config.maxConnections = 2;
  World world(config);
  auto first = world.dial(world.address), second = world.dial(world.address);
  ASSERT_TRUE(first.hasValue() && second.hasValue());
  auto third = world.dial(world.address);
  ASSERT_FALSE(third.hasValue());
  EXPECT_EQ(third.error().code, RefusalCode::overloaded);
  EXPECT_EQ(third.error().why, world.address + " has too many connections");
  EXPECT_EQ(world.ask(*first.value()), "because");
  auto gone = std::move(second).value();
  gone = nullptr;
  EXPECT_TRUE(world.eventually([&] { return world.listener->counts().open == 1; }));
  EXPECT_EQ(world.askAnew(), "because");
}

TEST(Listener, OutOfDescriptorsItShedsTheNewestAndRecovers) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizers themselves need descriptors to look at memory";
#endif
  World world;
  auto inside = world.dial(world.address);
  ASSERT_TRUE(inside.hasValue());
  // Arrange: no descriptor is left but those for a few callers of our own
  rlimit old{}, low{};
  ::getrlimit(RLIMIT_NOFILE, &old);
  std::vector<int> callers;
  for (int i = 0; i < 8; ++i) {
    callers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  }
  int top = callers.back();
  low = {static_cast<rlim_t>(top) + 1, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  // Act
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<std::uint16_t>(world.port));
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int fd : callers) ::connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof where);
  bool shed = world.eventually([&] { return world.listener->counts().turnedAway >= 8; });
  std::string during = world.ask(*inside.value());
  for (int fd : callers) ::close(fd);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  // Assert
  EXPECT_TRUE(shed);
  EXPECT_EQ(during, "because") << "work in progress went on";
  EXPECT_EQ(world.askAnew(), "because");
}

// ---- Unix sockets, and descriptors over them.

class Stored final : public schema::LocalObjectService::Server {
  class Memory final : public schema::Arena::Server {
   public:
    explicit Memory(int fd) : fd_(fd) {}
    kj::Maybe<int> getFd() override { return fd_; }
   private:
    int fd_;
  };
  kj::Promise<void> map(MapContext context) override {
    context.getResults().setArena(kj::heap<Memory>(fd_));
    context.getResults().setSize(4096);
    return kj::READY_NOW;
  }
  int fd_ = [] {
    int fd = ::memfd_create("arena", MFD_CLOEXEC);
    EXPECT_EQ(::pwrite(fd, "hello", 5, 0), 5);
    return fd;
  }();

 public:
  ~Stored() noexcept { ::close(fd_); }
};

struct StoreDoor final : Listener::Door {
  capnp::Capability::Client welcome(const Peer&) override { return kj::heap<Stored>(); }
  void left(const Peer&, const std::string&) override {}
};

TEST(Listener, AUnixSocketCarriesDescriptors) {
  auto io = kj::setupAsyncIo();
  auto& timer = io.provider->getTimer();
  std::string path = "/tmp/alnilam-test-" + std::to_string(::getpid()) + ".sock";
  StoreDoor door;
  Listener::Config config;
  config.limits.fds = true;
  for (int life = 0; life < 2; ++life) {  // the second finds the first one's socket file
    Listener listener(timer, secretOf(1), config, door);
    auto bound = bindAt(io.provider->getNetwork(), "unix:" + path).wait(io.waitScope);
    ASSERT_TRUE(bound.hasValue()) << bound.error().why;
    listener.listen(std::move(bound).value());
    struct stat facts{};
    ASSERT_EQ(::stat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);

    Caller caller;
    caller.limits.fds = true;
    auto connection = connect(io.provider->getNetwork(), timer, "unix:" + path, secretOf(1),
                              caller).wait(io.waitScope);
    ASSERT_TRUE(connection.hasValue()) << connection.error().why;
    auto store = connection.value()->bootstrap().castAs<schema::LocalObjectService>();
    auto mapped = store.mapRequest().send().wait(io.waitScope);
    auto fd = mapped.getArena().getFd().wait(io.waitScope);
    KJ_IF_MAYBE(arena, fd) {
      char text[6] = {};
      EXPECT_EQ(::pread(*arena, text, 5, 0), 5);
      EXPECT_STREQ(text, "hello");
    } else {
      FAIL() << "the descriptor did not travel";
    }
  }
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace alnilam::rpc
