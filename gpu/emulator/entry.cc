// The library's doors: the only symbols it exports.  Their names say what they are, so that nobody
// can take this library for CUDA's.

#include "gpu/emulator/api_common.h"

#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>

namespace alnilam::gpu::emulator::api {
namespace {

struct Entry {
  const char* symbol;
  int version;
  void* function;
  void* traced;  // the same, and the trace is told
};

struct Name {
  template <std::size_t n>
  constexpr Name(const char (&from)[n]) {
    for (std::size_t i = 0; i < n; ++i) text[i] = from[i];
  }
  char text[48] = {};
};

// The stream that an argument is, or the one that a call has made: what the trace wants to know.
void noteStream(std::uint64_t& id, CUstream handle) {
  if (Stream* stream = lookUp<Stream>(handle)) id = stream->id();
}
void noteStream(std::uint64_t& id, CUstream* made) {
  if (made) noteStream(id, *made);
}
template <typename Other>
void noteStream(std::uint64_t&, const Other&) {}

template <Name name, auto function>
struct Traced;
template <Name name, typename... Arguments, CUresult (*function)(Arguments...)>
struct Traced<name, function> {
  static CUresult call(Arguments... arguments) {
    Machine* the = machine();
    if (!the || !the->trace) return function(arguments...);
    std::uint64_t stream = 0;
    ((std::is_same_v<Arguments, CUstream> ? noteStream(stream, arguments) : void()), ...);
    std::uint64_t number = the->trace->begin();
    auto start = the->trace->now();
    Trace::current() = number;
    CUresult result = function(arguments...);
    Trace::current() = 0;
    if (result == CUDA_SUCCESS) {
      ((std::is_same_v<Arguments, CUstream*> ? noteStream(stream, arguments) : void()), ...);
    }
    const char* text = nullptr;
    getErrorName(result, &text);
    the->trace->call(number, name.text, start, text, stream);
    return result;
  }
};

#define ALNILAM_OPTIONAL(member, symbol, version)              \
  {#symbol, version, reinterpret_cast<void*>(&member),         \
   reinterpret_cast<void*>(&Traced<Name(#symbol), &member>::call)}
#define ALNILAM_EMULATED(member, symbol, version, parameters) \
  ALNILAM_OPTIONAL(member, symbol, version),
const Entry kEntries[] = {ALNILAM_DRIVER_REQUIRED(ALNILAM_EMULATED)  //
                          ALNILAM_OPTIONAL(streamGetId, cuStreamGetId, 12000),
                          ALNILAM_OPTIONAL(ctxGetId, cuCtxGetId, 12000),
                          ALNILAM_OPTIONAL(funcGetParamInfo, cuFuncGetParamInfo, 12040)};
const Entry kGreenEntries[] = {
    ALNILAM_OPTIONAL(deviceGetDevResource, cuDeviceGetDevResource, 12040),
    ALNILAM_OPTIONAL(devSmResourceSplitByCount, cuDevSmResourceSplitByCount, 12040),
    ALNILAM_OPTIONAL(devResourceGenerateDesc, cuDevResourceGenerateDesc, 12040),
    ALNILAM_OPTIONAL(greenCtxCreate, cuGreenCtxCreate, 12040),
    ALNILAM_OPTIONAL(greenCtxDestroy, cuGreenCtxDestroy, 12040),
    ALNILAM_OPTIONAL(ctxFromGreenCtx, cuCtxFromGreenCtx, 12040),
    ALNILAM_OPTIONAL(greenCtxStreamCreate, cuGreenCtxStreamCreate, 12050)};
#undef ALNILAM_EMULATED
#undef ALNILAM_OPTIONAL

// "cuMemAlloc" for "cuMemAlloc_v2".
std::string baseOf(const char* symbol) {
  std::string base = symbol;
  if (auto at = base.rfind("_v"); at != std::string::npos) base.resize(at);
  return base;
}

}  // namespace

CUresult getProcAddress(const char* symbol, void** function, int version, std::uint64_t flags,
                        CUdriverProcAddressQueryResult* found) {
  if (!symbol || !function || flags > 2) return CUDA_ERROR_INVALID_VALUE;
  *function = nullptr;
  CUdriverProcAddressQueryResult result = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  auto lookIn = [&](const auto& entries) {
    for (const Entry& entry : entries) {
      if (baseOf(entry.symbol) != symbol) continue;
      // Only the one signature is here; who asks for an older one must not get it.
      if (version >= entry.version) {
        *function = machine() && machine()->trace ? entry.traced : entry.function;
        result = CU_GET_PROC_ADDRESS_SUCCESS;
      } else {
        result = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
      }
    }
  };
  lookIn(kEntries);
  if (machine() && machine()->config.green) lookIn(kGreenEntries);
  if (found) *found = result;
  return CUDA_SUCCESS;
}

}  // namespace alnilam::gpu::emulator::api

#define ALNILAM_EXPORT extern "C" __attribute__((visibility("default")))

// Makes the devices that `text` asks for (config.h).  0, or not and the reason in `message`.
ALNILAM_EXPORT int alnilamEmulatedConfigure(const char* text, char* message,
                                            std::size_t messageSize) {
  auto made = alnilam::gpu::emulator::configureMachine(text ? text : "");
  if (made) return 0;
  if (message && messageSize) std::snprintf(message, messageSize, "%s", made.error().why.c_str());
  return 1;
}

// As cuGetProcAddress_v2.
ALNILAM_EXPORT alnilam::gpu::abi::CUresult alnilamEmulatedGetProcAddress(
    const char* symbol, void** function, int version, std::uint64_t flags,
    alnilam::gpu::abi::CUdriverProcAddressQueryResult* found) {
  return alnilam::gpu::emulator::api::getProcAddress(symbol, function, version, flags, found);
}

// How many PTX instructions kernels have executed, counted once for each thread.
ALNILAM_EXPORT std::uint64_t alnilamEmulatedInstructions() {
  auto* machine = alnilam::gpu::emulator::machine();
  return machine ? machine->executed.load() : 0;
}

// How many races have been found (races.h).
ALNILAM_EXPORT std::uint64_t alnilamEmulatedRaces() {
  auto* machine = alnilam::gpu::emulator::machine();
  return machine && machine->races ? machine->races->found() : 0;
}

// The last fault or refusal in words: kernel, block, thread, line, instruction.
ALNILAM_EXPORT void alnilamEmulatedLastMessage(char* text, std::size_t size) {
  if (text && size) {
    std::snprintf(text, size, "%s", alnilam::gpu::emulator::lastMessage().c_str());
  }
}
