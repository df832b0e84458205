#pragma once
// The driver functions that the emulator has: the required part of gpu/driver/functions.h, and a
// few optional ones.
//
// Each does what CUDA's manual says of the function of that name, as far as a program can tell;
// where the emulator does less (no arrays, no graphs), the function is missing, not half there.
// Required ones can't be missing: those of IPC answer CUDA_ERROR_NOT_SUPPORTED.
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
CUresult deviceGetDevResource(CUdevice device, CUdevResource* resource, CUdevResourceType type);
CUresult devSmResourceSplitByCount(CUdevResource* result, unsigned* groups,
                                   const CUdevResource* input, CUdevResource* remaining,
                                   unsigned flags, unsigned least);
CUresult devResourceGenerateDesc(CUdevResourceDesc* desc, CUdevResource* resources,
                                 unsigned count);
CUresult greenCtxCreate(CUgreenCtx* green, CUdevResourceDesc desc, CUdevice device, unsigned flags);
CUresult greenCtxDestroy(CUgreenCtx green);
CUresult ctxFromGreenCtx(CUcontext* context, CUgreenCtx green);
CUresult greenCtxStreamCreate(CUstream* stream, CUgreenCtx green, unsigned flags, int priority);

}  // namespace alnilam::gpu::emulator::api
