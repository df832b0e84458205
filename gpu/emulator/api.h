#pragma once
// The driver functions that the emulator has: the required part of gpu/driver/functions.h, and a
// few optional ones.
//
// Each does what CUDA's manual says of the function of that name, as far as a program can tell;
// where the emulator does less (no arrays, no graphs), the function is missing, not half there.
//
// Every function but those of errors refuses to run inside a host function
// (CUDA_ERROR_NOT_PERMITTED) and before cuInit (CUDA_ERROR_NOT_INITIALIZED); those that need a
// current context refuse without one, and return the context's failure once it has one.

#include "gpu/driver/functions.h"

namespace alnilam::gpu::emulator::api {

using namespace abi;

#define ALNILAM_EMULATED(member, symbol, version, parameters) CUresult member parameters;
ALNILAM_DRIVER_REQUIRED(ALNILAM_EMULATED)
#undef ALNILAM_EMULATED

CUresult streamGetId(CUstream stream, unsigned long long* id);
CUresult ctxGetId(CUcontext context, unsigned long long* id);
CUresult funcGetParamInfo(CUfunction function, std::size_t index, std::size_t* offset,
                          std::size_t* size);

}  // namespace alnilam::gpu::emulator::api
