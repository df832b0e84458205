#include "daemons/program/blame.h"

#include "core/engine/worker_pool.h"

#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <unistd.h>

namespace alnilam {
namespace {

constexpr std::size_t kSignalStack = 64 << 10;

std::optional<CrashPage> page;

void onCrash(int signal) {
  if (TaskId task = WorkerPool::currentTask()) page->blame(task, FailureKind::crashed);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void onExit(int status, void*) {
  TaskId task = WorkerPool::currentTask();
  if (!task) return;
  page->blame(task, FailureKind::exited);
  _exit(status);
}

}  // namespace

void installBlame(CrashPage mapped) {
  page.emplace(std::move(mapped));
  struct sigaction action = {};
  action.sa_handler = onCrash;
  action.sa_flags = SA_ONSTACK | SA_NODEFER;
  for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS}) {
    sigaction(signal, &action, nullptr);
  }
  on_exit(onExit, nullptr);
}

void prepareThread() {
  thread_local std::unique_ptr<std::byte[]> stack;
  if (stack) return;
  stack = std::make_unique<std::byte[]>(kSignalStack);
  stack_t alternative = {};
  alternative.ss_sp = stack.get();
  alternative.ss_size = kSignalStack;
  sigaltstack(&alternative, nullptr);
}

}  // namespace alnilam
