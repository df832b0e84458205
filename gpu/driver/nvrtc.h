#pragma once
// NVRTC, the compiler of kernels as a library, as a table of function pointers.
//
// It comes with the CUDA toolkit and also without one, and needs no device.  It is opened at run
// time where it is found; nothing links against it, and <nvrtc.h> is not needed to build: the part
// of its binary interface that Alnilam calls is declared here.  One list feeds the table, its
// loader and the test that holds each signature to nvrtc.h.
//
// Threading: immutable once loaded; the functions may be called from any thread, one program by one
//   thread at a time.
// Lifetime: the library stays open for the life of the process.
// Errors: `unavailable`, with what was looked for and what was wrong with what was found.
//
// Source: nvrtc.h of CUDA 13.0; F(member, symbol, parameters).  All of it is in 11.2 as well.

#include "core/base/error.h"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

struct _nvrtcProgram;

namespace alnilam::gpu {

using NvrtcProgram = ::_nvrtcProgram*;

enum NvrtcResult : int { kNvrtcSuccess = 0 };  // NVRTC_SUCCESS; others only have a text

// clang-format off
#define ALNILAM_NVRTC_FUNCTIONS(F) \
  F(getNumSupportedArchs, nvrtcGetNumSupportedArchs, (int* count)) \
  F(getSupportedArchs, nvrtcGetSupportedArchs, (int* architectures)) \
  F(createProgram, nvrtcCreateProgram, (NvrtcProgram* program, const char* source, \
      const char* name, int headerCount, const char* const* headers, \
      const char* const* includeNames)) \
  F(destroyProgram, nvrtcDestroyProgram, (NvrtcProgram* program)) \
  F(compileProgram, nvrtcCompileProgram, (NvrtcProgram program, int optionCount, \
      const char* const* options)) \
  F(getPtxSize, nvrtcGetPTXSize, (NvrtcProgram program, std::size_t* size)) \
  F(getPtx, nvrtcGetPTX, (NvrtcProgram program, char* ptx)) \
  F(getProgramLogSize, nvrtcGetProgramLogSize, (NvrtcProgram program, std::size_t* size)) \
  F(getProgramLog, nvrtcGetProgramLog, (NvrtcProgram program, char* log))
// clang-format on

struct Nvrtc {
#define ALNILAM_NVRTC_MEMBER(member, symbol, parameters) NvrtcResult(*member) parameters = nullptr;
  ALNILAM_NVRTC_FUNCTIONS(ALNILAM_NVRTC_MEMBER)
#undef ALNILAM_NVRTC_MEMBER
  const char* (*getErrorString)(NvrtcResult result) = nullptr;
};

// Names under which the library may be found, best first.
std::vector<std::string> nvrtcLibraries();

// The first of `libraries` that opens and has every function.
Result<Nvrtc> loadNvrtc(std::span<const std::string> libraries);

}  // namespace alnilam::gpu
