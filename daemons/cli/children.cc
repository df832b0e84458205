#include "daemons/cli/children.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

extern char** environ;

namespace alnilam::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kReadyFd = 3;

Refusal systemRefusal(const std::string& what, int error) {
  return {RefusalCode::unavailable, what + ": " + std::strerror(error)};
}

std::vector<std::string> environmentWith(
    const std::vector<std::pair<std::string, std::string>>& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) {
    std::string text = *entry;
    bool replaced = false;
    for (auto& [name, value] : added) replaced |= text.starts_with(name + "=");
    if (!replaced) all.push_back(text);
  }
  for (auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

Children::Children() {
  sigemptyset(&watched_);
  for (int signal : {SIGCHLD, SIGINT, SIGTERM}) sigaddset(&watched_, signal);
  sigprocmask(SIG_BLOCK, &watched_, &before_);
}

Children::~Children() {
  endAll(std::chrono::seconds(5));
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

Result<pid_t> Children::spawn(const Spec& spec, int readyFd, bool ownGroup) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (readyFd >= 0) posix_spawn_file_actions_adddup2(&actions, readyFd, kReadyFd);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &before_);
  short flags = POSIX_SPAWN_SETSIGMASK;
  if (ownGroup) {
    posix_spawnattr_setpgroup(&attributes, 0);
    flags = static_cast<short>(flags | POSIX_SPAWN_SETPGROUP);
  }
  posix_spawnattr_setflags(&attributes, flags);

  std::vector<std::string> argv = {spec.path};
  argv.insert(argv.end(), spec.arguments.begin(), spec.arguments.end());
  std::vector<std::string> environment = environmentWith(spec.environment);
  pid_t pid = 0;
  int error = posix_spawnp(&pid, spec.path.c_str(), &actions, &attributes, pointers(argv).data(),
                           pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return systemRefusal("cannot start " + spec.path, error);
  children_.push_back({pid, spec.name});
  return pid;
}

Result<pid_t> Children::start(const Spec& spec) { return spawn(spec, -1, false); }

Result<std::string> Children::startDaemon(const Spec& spec, Duration patience) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return systemRefusal("cannot make a pipe", errno);
  // A daemon leads a group of its own: a Ctrl-C at the terminal is for us, and we end it in order.
  Spec withFd = spec;
  withFd.arguments.push_back("--ready-fd=" + std::to_string(kReadyFd));
  // dup2 onto itself keeps O_CLOEXEC in some libcs; move it away from the number it shall get.
  int theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, 64);
  close(ends[1]);
  Result<pid_t> pid = spawn(withFd, theirs, true);
  close(theirs);
  if (!pid) {
    close(ends[0]);
    return pid.error();
  }

  std::string line;
  Clock::time_point deadline = Clock::now() + patience;
  while (line.empty() || line.back() != '\n') {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd readable{ends[0], POLLIN, 0};
    int ready = left > 0 ? poll(&readable, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    char bytes[256];
    ssize_t amount = ready > 0 ? read(ends[0], bytes, sizeof bytes) : 0;
    if (amount <= 0) {
      close(ends[0]);
      return Refusal{RefusalCode::unavailable,
                     ready > 0 ? spec.name + " ended before it served; its message is above"
                               : spec.name + " did not serve in time"};
    }
    line.append(bytes, static_cast<std::size_t>(amount));
  }
  close(ends[0]);
  line.pop_back();
  return line;
}

std::optional<Children::Ended> Children::reap() {
  for (auto child = children_.begin(); child != children_.end(); ++child) {
    int status = 0;
    if (waitpid(child->pid, &status, WNOHANG) != child->pid) continue;
    Ended ended{child->pid, child->name, 0, WIFSIGNALED(status)};
    ended.code = ended.bySignal ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    children_.erase(child);
    return ended;
  }
  return std::nullopt;
}

std::optional<Children::Ended> Children::waitUntil(std::optional<Duration> patience,
                                                   bool& interrupted) {
  while (true) {
    if (auto ended = reap()) return ended;
    timespec left{};
    if (patience) {
      auto seconds = std::chrono::floor<std::chrono::seconds>(*patience);
      left.tv_sec = seconds.count();
      left.tv_nsec = (*patience - seconds).count();
    }
    int signal =
        patience ? sigtimedwait(&watched_, nullptr, &left) : sigwaitinfo(&watched_, nullptr);
    if (signal < 0 && errno == EINTR) continue;
    interrupted = signal == SIGINT || signal == SIGTERM;
    if (signal < 0 || interrupted) return std::nullopt;
  }
}

std::optional<Children::Ended> Children::wait() {
  bool interrupted = false;
  return waitUntil(std::nullopt, interrupted);
}

void Children::endAll(Duration patience) {
  // The newest first: nodes leave a head that is still there.
  for (auto child = children_.rbegin(); child != children_.rend(); ++child) {
    kill(child->pid, SIGTERM);
  }
  Clock::time_point deadline = Clock::now() + patience;
  bool killed = false;
  while (!children_.empty()) {
    bool interrupted = false;
    Duration left = deadline - Clock::now();
    if (!killed && left <= Duration{0}) {
      for (Child& child : children_) kill(child.pid, SIGKILL);
      killed = true;
    }
    waitUntil(killed ? std::chrono::seconds(1) : left, interrupted);
  }
}

}  // namespace alnilam::cli
