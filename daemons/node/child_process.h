#pragma once
// A process that the node starts and ends: an executor.
//
// The child gets a socketpair as descriptor 3 and whatever else is named, at the numbers named;
// everything else is closed by O_CLOEXEC.  It leads a process group of its own, so that what it
// starts can be ended with it, and a Ctrl-C at the terminal reaches the node alone.  Its stderr
// passes through the node, which keeps the last bytes: if the loader cannot start the program, that
// is its own message.
//
// Threading: the KJ loop's thread.  Lifetime: the destructor kills the group; reaping is the event
// port's.  Errors: a start that fails is a Refusal with the system's words.

#include "core/base/error.h"

#include <kj/async-io.h>
#include <kj/async-unix.h>

#include <string>
#include <utility>
#include <vector>

namespace alnilam {

class ChildProcess {
 public:
  struct Spec {
    std::string path;
    std::vector<std::string> arguments;    // argv[1..]
    std::vector<std::string> environment;  // "NAME=value", whole
    std::vector<std::pair<int, int>> descriptors;  // ours, theirs (from 4)
  };
  static constexpr int kSocketFd = 3;

  static Result<kj::Own<ChildProcess>> start(kj::AsyncIoContext& io, const Spec& spec);

  // Of a process that runs; `start` is the way to get one.
  ChildProcess(kj::AsyncIoContext& io, pid_t pid, kj::Own<kj::AsyncIoStream> socket,
               kj::Own<kj::AsyncInputStream> errors);
  ~ChildProcess() noexcept(false);
  KJ_DISALLOW_COPY(ChildProcess);

  kj::AsyncIoStream& socket() { return *socket_; }
  pid_t pid() const { return group_; }  // 0 once it has gone
  // Our end, for who owns its connection; once, and then no socket().
  kj::Own<kj::AsyncIoStream> takeSocket() { return kj::mv(socket_); }

  // "exit status 3", "SIGSEGV": resolves when it has gone, be that before or after this call.
  kj::Promise<std::string> onExit() { return exit_.addBranch(); }

  // The last kMaxTail bytes of what it wrote to stderr.
  const std::string& stderrTail() const { return tail_; }
  // Resolves when stderr is closed, so that the tail is whole.
  kj::Promise<void> onStderrEnd() { return stderrEnd_.addBranch(); }

  void kill();  // the whole group, at once
  static constexpr std::size_t kMaxTail = 4096;

 private:
  kj::Promise<void> forwardErrors();

  pid_t group_;
  kj::Maybe<pid_t> pid_;
  kj::Own<kj::AsyncIoStream> socket_;
  kj::Own<kj::AsyncInputStream> errors_;
  std::string tail_;
  kj::Array<kj::byte> buffer_;
  kj::ForkedPromise<void> stderrEnd_;
  // From the start: the event port forgets the end of a child that nobody has asked for.
  kj::ForkedPromise<std::string> exit_;
};

}  // namespace alnilam
