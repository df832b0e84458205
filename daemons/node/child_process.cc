#include "daemons/node/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace alnilam {
namespace {

Refusal systemRefusal(const std::string& what) {
  return {RefusalCode::unavailable, what + ": " + std::strerror(errno)};
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

std::string describe(int status) {
  if (WIFSIGNALED(status)) return "SIG" + std::string(sigabbrev_np(WTERMSIG(status)));
  return "exit status " + std::to_string(WEXITSTATUS(status));
}

// Descriptors that exist on both sides only until the child runs.
struct Ends {
  kj::AutoCloseFd socketOurs, socketTheirs, errorsOurs, errorsTheirs;
};

Result<Ends> makeEnds() {
  int sockets[2], errors[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    return systemRefusal("cannot make a socketpair");
  }
  Ends ends;
  ends.socketOurs = kj::AutoCloseFd(sockets[0]);
  ends.socketTheirs = kj::AutoCloseFd(sockets[1]);
  if (pipe2(errors, O_CLOEXEC) != 0) return systemRefusal("cannot make a pipe");
  ends.errorsOurs = kj::AutoCloseFd(errors[0]);
  ends.errorsTheirs = kj::AutoCloseFd(errors[1]);
  return ends;
}

}  // namespace

Result<kj::Own<ChildProcess>> ChildProcess::start(kj::AsyncIoContext& io, const Spec& spec) {
  Result<Ends> made = makeEnds();
  if (!made) return made.error();
  Ends ends = std::move(made).value();

  // Our numbers may collide with theirs, so each is first moved out of the way.
  constexpr int kOutOfTheWay = 64;
  std::vector<std::pair<kj::AutoCloseFd, int>> moved;
  auto give = [&](int ours, int theirs) {
    moved.emplace_back(kj::AutoCloseFd(fcntl(ours, F_DUPFD_CLOEXEC, kOutOfTheWay)), theirs);
  };
  give(ends.socketTheirs, kSocketFd);
  give(ends.errorsTheirs, STDERR_FILENO);
  for (auto& [ours, theirs] : spec.descriptors) give(ours, theirs);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  KJ_DEFER(posix_spawn_file_actions_destroy(&actions));
  for (auto& [ours, theirs] : moved) {
    posix_spawn_file_actions_adddup2(&actions, ours, theirs);
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  KJ_DEFER(posix_spawnattr_destroy(&attributes));
  sigset_t none, standard;
  sigemptyset(&none);
  sigfillset(&standard);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &standard);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> argv = {spec.path};
  argv.insert(argv.end(), spec.arguments.begin(), spec.arguments.end());
  pid_t pid = 0;
  int error = posix_spawn(&pid, spec.path.c_str(), &actions, &attributes, pointers(argv).data(),
                          pointers(spec.environment).data());
  if (error != 0) {
    errno = error;
    return systemRefusal("cannot start " + spec.path);
  }
  constexpr auto kOwned = kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP;
  auto socket = io.lowLevelProvider->wrapSocketFd(ends.socketOurs.release(), kOwned);
  auto errors = io.lowLevelProvider->wrapInputFd(ends.errorsOurs.release(), kOwned);
  return kj::heap<ChildProcess>(io, pid, kj::mv(socket), kj::mv(errors));
}

ChildProcess::ChildProcess(kj::AsyncIoContext& io, pid_t pid, kj::Own<kj::AsyncIoStream> socket,
                           kj::Own<kj::AsyncInputStream> errors)
    : group_(pid),
      pid_(pid),
      socket_(kj::mv(socket)),
      errors_(kj::mv(errors)),
      buffer_(kj::heapArray<kj::byte>(kMaxTail)),
      stderrEnd_(forwardErrors().fork()),
      exit_(io.unixEventPort.onChildExit(pid_)
                .then([this](int status) {
                  kill();  // what it started and left behind
                  group_ = 0;
                  return describe(status);
                })
                .fork()) {}

ChildProcess::~ChildProcess() noexcept(false) { kill(); }

void ChildProcess::kill() {
  if (group_ > 0) ::kill(-group_, SIGKILL);
}

kj::Promise<void> ChildProcess::forwardErrors() {
  return errors_->tryRead(buffer_.begin(), 1, buffer_.size())
      .then([this](std::size_t amount) -> kj::Promise<void> {
        if (amount == 0) return kj::READY_NOW;
        auto* text = reinterpret_cast<const char*>(buffer_.begin());
        // A node whose own stderr is gone goes on without.
        static_cast<void>(!::write(STDERR_FILENO, text, amount));
        tail_.append(text, amount);
        if (tail_.size() > kMaxTail) tail_.erase(0, tail_.size() - kMaxTail);
        return forwardErrors();
      });
}

}  // namespace alnilam
