#pragma once
// Processes that a command starts and answers for: a head, nodes, the program.
//
// A daemon says that it serves by writing one line to a descriptor that it inherits (--ready-fd);
// `start` waits for that line, so nothing here sleeps or polls.  Ending is SIGTERM, then, for who
// has not gone in time, SIGKILL.
//
// Threading: one thread.  SIGCHLD, SIGINT and SIGTERM are blocked by the Children's constructor and
//   taken by `wait`.  Lifetime: the destructor ends what still runs.

#include "core/base/error.h"
#include "core/base/units.h"

#include <csignal>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace alnilam::cli {

class Children {
 public:
  Children();
  ~Children();
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  struct Spec {
    std::string name;                    // for people
    std::string path;
    std::vector<std::string> arguments;  // argv[1..]
    std::vector<std::pair<std::string, std::string>> environment;  // added to ours
  };

  // Starts a daemon and waits for its line, which it returns.  Refuses (unavailable) one that ends
  // first or says nothing for `patience`.
  Result<std::string> startDaemon(const Spec& spec, Duration patience);

  // Starts a program in the foreground: it keeps the terminal.
  Result<pid_t> start(const Spec& spec);

  struct Ended {
    pid_t pid = 0;
    std::string name;
    int code = 0;  // exit status, or 128 + the signal
    bool bySignal = false;
  };
  // What comes first: the end of a child, or a signal to us (SIGINT, SIGTERM), which is nullopt.
  std::optional<Ended> wait();

  // Asks all to end, kills who has not within `patience`; returns when none is left.
  void endAll(Duration patience);

 private:
  struct Child {
    pid_t pid;
    std::string name;
  };
  Result<pid_t> spawn(const Spec& spec, int readyFd, bool ownGroup);
  std::optional<Ended> reap();
  std::optional<Ended> waitUntil(std::optional<Duration> patience, bool& interrupted);

  std::vector<Child> children_;
  sigset_t before_;
  sigset_t watched_;
};

}  // namespace alnilam::cli
