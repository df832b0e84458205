#include "gpu/emulator/trace.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>

namespace alnilam::gpu::emulator {
namespace {

using Clock = std::chrono::steady_clock;  // calls take as long as they take

constexpr int kProcessesOfDevices = 10'000'000;  // beyond any real process id
const char* const kRows[] = {"compute", "copyHtoD", "copyDtoH", "copyPeer", "host"};

int rowOf(const char* engine) {
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    if (std::strcmp(kRows[i], engine) == 0) return static_cast<int>(i);
  }
  return static_cast<int>(std::size(kRows));
}

double microseconds(std::chrono::nanoseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

// Makes the file with its first line, unless it's there.  Whoever sees it sees the bracket.
void create(const std::string& path) {
  std::string fresh = path + "." + std::to_string(getpid());
  int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return;  // open() says why
  bool whole = ::write(file, "[\n", 2) == 2;
  ::close(file);
  if (whole) static_cast<void>(::link(fresh.c_str(), path.c_str()));
  ::unlink(fresh.c_str());
}

}  // namespace

Result<std::unique_ptr<Trace>> Trace::open(const std::string& path) {
  create(path);
  int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0) {
    return Refusal{RefusalCode::invalid, "emulated GPUs: the trace '" + path +
                                             "' can't be written: " + std::strerror(errno)};
  }
  return std::unique_ptr<Trace>(new Trace(file));
}

Trace::Trace(int file)
    : file_(file), process_(getpid()), start_(Clock::now()) {}
Trace::~Trace() { ::close(file_); }

std::uint64_t& Trace::current() {
  thread_local std::uint64_t number = 0;
  return number;
}

std::chrono::nanoseconds Trace::now() const { return Clock::now() - start_; }

// A short or failed write leaves a torn line; nothing that a tracer should stop the program for.
void Trace::write(const char* line, int length) {
  std::uint64_t number = ++lines_;
  if (number > kMostLines) return;
  if (number == kMostLines) {
    char last[160];
    length = std::snprintf(last, sizeof last,
                           "{\"ph\":\"i\",\"cat\":\"trace\",\"name\":\"full: nothing after this "
                           "is traced\",\"pid\":%d,\"tid\":0,\"ts\":%.3f},\n",
                           process_, microseconds(now()));
    static_cast<void>(!::write(file_, last, static_cast<std::size_t>(length)));
    return;
  }
  static_cast<void>(!::write(file_, line, static_cast<std::size_t>(length)));
}

void Trace::call(std::uint64_t number, const char* name, std::chrono::nanoseconds start,
                 const char* result, std::uint64_t stream) {
  char line[512];
  int length = std::snprintf(
      line, sizeof line,
      "{\"ph\":\"X\",\"cat\":\"call\",\"name\":\"%s\",\"pid\":%d,\"tid\":%ld,\"ts\":%.3f,"
      "\"dur\":%.3f,\"args\":{\"call\":%llu,\"result\":\"%s\",\"stream\":%llu}},\n",
      name, process_, static_cast<long>(syscall(SYS_gettid)), microseconds(start),
      microseconds(now() - start), static_cast<unsigned long long>(number),
      result ? result : "unknown", static_cast<unsigned long long>(stream));
  write(line, length);
}

void Trace::nameRows(int device) {
  std::uint64_t bit = std::uint64_t{1} << device;
  if (named_.fetch_or(bit) & bit) return;
  int pid = kProcessesOfDevices * (device + 1) + process_;
  char line[256];
  int length = std::snprintf(line, sizeof line,
                             "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%d,\"args\":{"
                             "\"name\":\"emulated GPU %d of process %d, modelled time\"}},\n",
                             pid, device, process_);
  write(line, length);
  for (std::size_t row = 0; row < std::size(kRows); ++row) {
    length = std::snprintf(line, sizeof line,
                           "{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":%d,\"tid\":%zu,"
                           "\"args\":{\"name\":\"%s\"}},\n",
                           pid, row, kRows[row]);
    write(line, length);
  }
}

void Trace::work(const Work& work) {
  nameRows(work.device);
  char line[1024];
  int length = std::snprintf(
      line, sizeof line,
      "{\"ph\":\"X\",\"cat\":\"device\",\"name\":\"%.*s\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,"
      "\"dur\":%.3f,\"args\":{\"call\":%llu,\"process\":%d,\"device\":%d,\"engine\":\"%s\","
      "\"kind\":\"%s\",\"stream\":%llu,\"beginNs\":%lld,\"endNs\":%lld,\"bytes\":%llu,"
      "\"amount\":%u}},\n",
      static_cast<int>(std::min<std::size_t>(work.name.size(), 400)), work.name.data(),
      kProcessesOfDevices * (work.device + 1) + process_, rowOf(work.engine),
      microseconds(work.begin), microseconds(work.end - work.begin),
      static_cast<unsigned long long>(work.call), process_, work.device, work.engine, work.kind,
      static_cast<unsigned long long>(work.stream), static_cast<long long>(work.begin.count()),
      static_cast<long long>(work.end.count()), static_cast<unsigned long long>(work.bytes),
      work.amount);
  write(line, length);
}

}  // namespace alnilam::gpu::emulator
