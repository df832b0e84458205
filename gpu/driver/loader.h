#pragma once
// Fills the driver table: from the machine's libcuda.so.1, or from the emulator.
//
// Nothing in Alnilam links against libcuda: a stub would resolve at build time and the binary then
// not start without a driver.  The library is opened, cuGetProcAddress_v2 is looked up, and that is
// asked for each function with the version of exactly the signature that functions.h declares.
//
// The emulator is a library of its own under a name that nobody takes for libcuda.  It answers the
// same question in the same way; only its first door is called differently.
//
// Errors: `unavailable` says that this machine simply has no GPU to offer (no library, a stub, no
//   device): a node goes on without.  `invalid` says that there is something and it is broken
//   (driver and library differ, a function is missing, a bad configuration): say it loudly.
// Threading: load from one thread; afterwards see driver.h.
// Lifetime: libraries stay open until the process ends, since streams have threads in them.

#include "core/base/error.h"
#include "gpu/driver/driver.h"

#include <string>
#include <vector>

namespace alnilam::gpu {

struct Loaded {
  Driver driver;
  bool emulated = false;
  std::string library;  // what was opened
  int version = 0;      // cuDriverGetVersion: 13000 is CUDA 13.0

  // "CUDA driver 13.0", or "emulated CUDA driver 13.0".
  std::string title() const;
  // What the emulator said last about a fault or a refused module: kernel, block, thread, PTX line,
  // instruction.  Empty for a real driver, which says no more than its error code.
  std::string lastMessage() const;

  void (*readLastMessage)(char* text, std::size_t size) = nullptr;  // the emulator's; else null
};

// The machine's driver, initialised.  `library` is a parameter for tests.
Result<Loaded> loadDriver(const std::string& library = "libcuda.so.1");

// Emulated devices as `config` says ("2x4GiB"; grammar in gpu/emulator/config.h), initialised.
// One process has one set of emulated devices: asking again with the same text gives the same
// ones, and with another text replaces them if no context is alive; otherwise it is refused.
Result<Loaded> loadEmulator(const std::string& library, const std::string& config);

// Where the emulator's library may be, best first: `override` if it isn't empty (what the user
// named), beside the running program (../lib, and its own folder), where the dynamic linker finds
// it (the RUNPATH that find_package(Alnilam) gives a program), where it was built, where it is
// installed.  The first that exists, or `unavailable` with the places that were looked at.
Result<std::string> findEmulator(const std::string& override);

}  // namespace alnilam::gpu
