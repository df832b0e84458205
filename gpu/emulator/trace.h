#pragma once
// What a program asked of the emulated driver and when a device would have done it, as a file.
//
// The setting trace=FILE (config.h), or ALNILAM_EMULATED_TRACE=FILE in the environment where the
// configuration says nothing, writes one line for each driver call and for each piece of device
// work, in the JSON array format of Chrome's traces, which Perfetto opens.  The first line is "["
// and every other line is one object and a comma; the closing bracket is left out, as the format
// allows.  To read it line by line: drop the comma, parse.
//
//   {"ph":"X","cat":"call","name":"cuLaunchKernel","pid":71,"tid":72,"ts":812.300,"dur":1.900,
//    "args":{"call":42,"result":"CUDA_SUCCESS","stream":7}},
//   {"ph":"X","cat":"device","name":"saxpy","pid":10000071,"tid":0,"ts":12.000,"dur":2.400,
//    "args":{"call":42,"process":71,"device":0,"engine":"compute","kind":"kernel","stream":7,
//            "beginNs":12000,"endNs":14400,"bytes":0,"amount":4}},
//
// (each on one line).  "call" counts a process's driver calls from 1, and a piece of work names the
// call that enqueued it.  "stream" is what cuStreamGetId says; 0 where a call has none or names the
// default stream.  "kind" is kernel, copyHtoD, copyDtoH, copyDtoD, copyPeer, copyHtoH, memset or
// hostFunction; "engine" is compute, copyHtoD, copyDtoH, copyPeer, or host for what no engine does.
// "amount" is how many multiprocessors a kernel takes.  Lines with "ph":"M" name the rows.
//
// There are two times.  Calls have the host's, in microseconds since the devices were made.  Device
// work has modelled time (stream.h, engine.h): when it would begin and end on a device, given what
// it waits for and who shares its engine.  Work of two streams overlaps if their intervals do.
//
// Each line is written at once and whole, so processes may share a file and one that is killed
// loses nothing.  A process writes at most kMostLines, the last of which says so.
//
// Threading: any thread may call anything.

#include "core/base/error.h"
#include "gpu/driver/abi.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace alnilam::gpu::emulator {

class Trace {
 public:
  static constexpr std::uint64_t kMostLines = 4'000'000;

  // Refuses (invalid) if the file can't be written.
  static Result<std::unique_ptr<Trace>> open(const std::string& path);
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  // Host time since the trace was opened.
  std::chrono::nanoseconds now() const;
  // The number of the driver call that begins now.
  std::uint64_t begin() { return ++calls_; }
  // `result` by name; null: one that has none.
  void call(std::uint64_t number, const char* name, std::chrono::nanoseconds start,
            const char* result, std::uint64_t stream);

  struct Work {
    std::uint64_t call = 0;
    int device = 0;
    const char* engine = "";
    const char* kind = "";
    std::string_view name;
    std::uint64_t stream = 0;
    std::chrono::nanoseconds begin{}, end{};
    std::uint64_t bytes = 0;
    std::uint32_t amount = 1;
  };
  void work(const Work& work);

  // The call that this thread is in, 0 if there's none.
  static std::uint64_t& current();

 private:
  explicit Trace(int file);
  void write(const char* line, int length);
  void nameRows(int device);

  const int file_;
  const int process_;
  const std::chrono::steady_clock::time_point start_;
  std::atomic<std::uint64_t> calls_{0}, lines_{0};
  std::atomic<std::uint64_t> named_{0};  // devices whose rows have names, as bits
};

}  // namespace alnilam::gpu::emulator
