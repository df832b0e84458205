#include "daemons/node/child_process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

namespace alnilam {
namespace {

class ChildProcessTest : public testing::Test {
 protected:
  ChildProcessTest() : io_((kj::UnixEventPort::captureChildExit(), kj::setupAsyncIo())) {}
  ~ChildProcessTest() noexcept override {}

  kj::Own<ChildProcess> shell(const std::string& script) {
    ChildProcess::Spec spec{"/bin/sh", {"-c", script}, {"PATH=/bin:/usr/bin"}, {}};
    return ChildProcess::start(io_, spec).value();
  }
  std::string endOf(ChildProcess& child) {
    auto late = io_.provider->getTimer().afterDelay(30 * kj::SECONDS).then([]() {
      return std::string("nobody told of its end");
    });
    return child.onExit().exclusiveJoin(kj::mv(late)).wait(io_.waitScope);
  }

  kj::AsyncIoContext io_;
};

TEST_F(ChildProcessTest, ItsEndIsDescribed) {
  EXPECT_EQ(endOf(*shell("exit 3")), "exit status 3");
  EXPECT_EQ(endOf(*shell("kill -SEGV $$")), "SIGSEGV");
}

TEST_F(ChildProcessTest, AnEndThatCameBeforeAnybodyAskedIsTold) {
  kj::Own<ChildProcess> child = shell("exit 3");
  siginfo_t facts{};
  auto id = static_cast<id_t>(child->pid());
  // The event port reaps it while we wait for something else.
  while (waitid(P_PID, id, &facts, WEXITED | WNOWAIT | WNOHANG) == 0) {
    io_.provider->getTimer().afterDelay(1 * kj::MILLISECONDS).wait(io_.waitScope);
  }
  ASSERT_EQ(errno, ECHILD);

  EXPECT_EQ(endOf(*child), "exit status 3");
  EXPECT_EQ(endOf(*child), "exit status 3");
  EXPECT_EQ(child->pid(), 0);
}

TEST_F(ChildProcessTest, WhatItSaidOnStderrIsKept) {
  kj::Own<ChildProcess> child = shell("echo no such library >&2; exit 127");
  EXPECT_EQ(endOf(*child), "exit status 127");
  child->onStderrEnd().wait(io_.waitScope);
  EXPECT_EQ(child->stderrTail(), "no such library\n");
}

TEST_F(ChildProcessTest, WhatItStartedEndsWithIt) {
  kj::Own<ChildProcess> child = shell("exec cat /dev/zero >/dev/null");
  child->kill();
  EXPECT_EQ(endOf(*child), "SIGKILL");
}

TEST_F(ChildProcessTest, AProgramThatIsNotThereIsRefused) {
  auto refused = ChildProcess::start(io_, {"/nowhere/program", {}, {}, {}});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().why.find("/nowhere/program"), std::string::npos);
}

}  // namespace
}  // namespace alnilam
