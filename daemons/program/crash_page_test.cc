#include "daemons/program/crash_page.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace alnilam {
namespace {

const TaskId kFirst = ObjectId::make(JobId{3}, 17);
const TaskId kSecond = ObjectId::make(JobId{3}, 18);

TEST(CrashPageTest, ANewPageBlamesNobody) {
  CrashPage page = CrashPage::create().value();
  EXPECT_FALSE(page.culprit());
}

TEST(CrashPageTest, TheFirstBlameStays) {
  CrashPage page = CrashPage::create().value();
  page.blame(kFirst, FailureKind::exited);
  page.blame(kSecond, FailureKind::crashed);
  EXPECT_EQ(page.culprit(), kFirst);
  EXPECT_EQ(page.how(), FailureKind::exited);
}

TEST(CrashPageTest, WhatAProcessWroteBeforeItDiedCanBeRead) {
  CrashPage page = CrashPage::create().value();
  pid_t child = fork();
  if (child == 0) {
    auto theirs = CrashPage::map(dup(page.fd()));
    if (theirs) theirs.value().blame(kSecond, FailureKind::crashed);
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));

  EXPECT_EQ(page.culprit(), kSecond);
  EXPECT_EQ(page.how(), FailureKind::crashed);
}

TEST(CrashPageTest, AMovedPageIsTheSame) {
  CrashPage page = CrashPage::create().value();
  CrashPage moved = std::move(page);
  moved.blame(kFirst, FailureKind::crashed);
  page = std::move(moved);
  EXPECT_EQ(page.culprit(), kFirst);
}

TEST(CrashPageTest, ADescriptorThatIsNoPageIsRefused) {
  int empty = memfd_create("empty", MFD_CLOEXEC);
  EXPECT_FALSE(CrashPage::map(empty));
  close(empty);
  EXPECT_FALSE(CrashPage::map(-1));
}

}  // namespace
}  // namespace alnilam
