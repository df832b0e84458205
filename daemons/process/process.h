#pragma once
// What the mains of all daemons have in common: command lines, the secret, a place for files,
// signals, and the one line that an error is.
//
// Threading: the main thread, before and around its event loop.
// Errors: refusals; `complain` prints one and gives the exit code (exit codes: 1 the
//   infrastructure failed, 2 usage, 7 the head is unreachable).

#include "core/base/error.h"
#include "transport/rpc/secret.h"

#include <CLI/CLI.hpp>
#include <kj/async-io.h>

#include <functional>
#include <optional>
#include <string>

namespace alnilam {

inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

std::string hostName();

// The exit code if the process is to end (--help, --version, an error in one line); else nothing.
std::optional<int> parseCommandLine(CLI::App& app, int argc, char** argv);

// Prints "NAME: why" to stderr and returns `code`.
int complain(const std::string& why, int code = kFailed);

// From `path`, or where this user's head keeps it; `make` creates it if it is not there.
Result<rpc::Secret> findSecret(const std::string& path, bool make);

// One line on `fd`, if it is one: whoever started us waits for it.
void sayReady(int fd, const std::string& line);

// A directory for sockets and files.  One that is named stays; one that was made for the occasion
// is removed at the end.
class StateDirectory {
 public:
  // `wanted` empty: a new one, its owner's alone, under the runtime directory.
  static Result<StateDirectory> make(const std::string& wanted, const std::string& purpose);
  StateDirectory(StateDirectory&& other) noexcept;
  StateDirectory& operator=(StateDirectory&& other) noexcept;
  ~StateDirectory();

  const std::string& path() const { return path_; }

 private:
  StateDirectory(std::string path, bool removes) : path_(std::move(path)), removes_(removes) {}

  std::string path_;
  bool removes_ = false;
};

// Resolves at the first SIGTERM or SIGINT; captureSignal was called for both.
kj::Promise<void> askedToLeave(kj::AsyncIoContext& io);

// Runs `run` and turns what it throws into one line and kFailed.  Logs go to stderr.
int runDaemon(const std::function<int()>& run);

}  // namespace alnilam
