#include "daemons/program/crash_page.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace alnilam {

Result<CrashPage> CrashPage::create() {
  int fd = memfd_create("alnilam-crash", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, sizeof(Page)) != 0) {
    if (fd >= 0) close(fd);
    return Refusal{RefusalCode::unavailable,
                   std::string("cannot make a crash page: ") + std::strerror(errno)};
  }
  return map(fd);
}

Result<CrashPage> CrashPage::map(int fd) {
  struct stat facts = {};
  void* memory = MAP_FAILED;
  if (fstat(fd, &facts) == 0 && facts.st_size >= static_cast<off_t>(sizeof(Page))) {
    memory = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  if (memory == MAP_FAILED) {
    return Refusal{RefusalCode::invalid, "descriptor " + std::to_string(fd) + " is no crash page"};
  }
  return CrashPage(fd, static_cast<Page*>(memory));
}

CrashPage::CrashPage(CrashPage&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), page_(std::exchange(other.page_, nullptr)) {}

CrashPage& CrashPage::operator=(CrashPage&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(page_, other.page_);
  return *this;
}

CrashPage::~CrashPage() {
  if (page_) munmap(page_, sizeof(Page));
  if (fd_ >= 0) close(fd_);
}

void CrashPage::blame(TaskId task, FailureKind how) {
  std::uint64_t nobody = 0;
  if (page_->task.compare_exchange_strong(nobody, task.value)) {
    page_->how = static_cast<std::uint32_t>(how);
  }
}

TaskId CrashPage::culprit() const { return {page_->task.load()}; }

FailureKind CrashPage::how() const {
  return page_->how == static_cast<std::uint32_t>(FailureKind::exited) ? FailureKind::exited
                                                                       : FailureKind::crashed;
}

}  // namespace alnilam
