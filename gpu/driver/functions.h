#pragma once
// Every driver function Alnilam calls, once: its name in our table, its symbol, the version of the
// signature, and the signature itself.
//
// One list feeds everything that has to agree: the table (driver.h), the loader, which asks
// cuGetProcAddress for each symbol with exactly this version, the emulator, which answers the same
// question, and the test that holds each signature to cuda.h.  A new function is a new line.
//
// The versions are the newest at or below 12.0 wherever there is a choice, so that older drivers
// work.  They are never the toolkit's CUDA_VERSION: a driver would then hand out a newer function
// with other parameters.
//
// Required functions are in every driver since 12.0 and in the emulator; a driver without one is
// refused.  Optional ones may be null: whoever calls one asks first.
//
// Source: cuda.h and cudaTypedefs.h of CUDA 13.0; F(member, symbol, version, parameters).

#include "gpu/driver/abi.h"

// clang-format off
#define ALNILAM_DRIVER_REQUIRED(F) \
  /* A0 bootstrap */ \
  F(init, cuInit, 2000, (unsigned flags)) \
  F(driverGetVersion, cuDriverGetVersion, 2020, (int* driverVersion)) \
  F(getProcAddress, cuGetProcAddress_v2, 12000, (const char* symbol, void** function, \
      int driverVersion, std::uint64_t flags, CUdriverProcAddressQueryResult* symbolFound)) \
  F(getErrorName, cuGetErrorName, 6000, (CUresult error, const char** text)) \
  F(getErrorString, cuGetErrorString, 6000, (CUresult error, const char** text)) \
  /* A1 enumerate */ \
  F(deviceGetCount, cuDeviceGetCount, 2000, (int* count)) \
  F(deviceGet, cuDeviceGet, 2000, (CUdevice* device, int ordinal)) \
  F(deviceGetName, cuDeviceGetName, 2000, (char* name, int len, CUdevice device)) \
  F(deviceGetUuid, cuDeviceGetUuid_v2, 11040, (CUuuid* uuid, CUdevice device)) \
  F(deviceGetPCIBusId, cuDeviceGetPCIBusId, 4010, (char* pciBusId, int len, CUdevice device)) \
  F(deviceGetByPCIBusId, cuDeviceGetByPCIBusId, 4010, (CUdevice* device, \
      const char* pciBusId)) \
  F(deviceTotalMem, cuDeviceTotalMem_v2, 3020, (std::size_t* size, CUdevice device)) \
  F(deviceGetAttribute, cuDeviceGetAttribute, 2000, (int* value, CUdevice_attribute attribute, \
      CUdevice device)) \
  F(deviceCanAccessPeer, cuDeviceCanAccessPeer, 4000, (int* canAccessPeer, CUdevice device, \
      CUdevice peerDev)) \
  F(deviceGetP2PAttribute, cuDeviceGetP2PAttribute, 8000, (int* value, \
      CUdevice_P2PAttribute attribute, CUdevice srcDevice, CUdevice dstDevice)) \
  /* A2 context */ \
  F(devicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, 7000, (CUcontext* context, \
      CUdevice device)) \
  F(devicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, 11000, (CUdevice device)) \
  F(devicePrimaryCtxSetFlags, cuDevicePrimaryCtxSetFlags_v2, 11000, (CUdevice device, \
      unsigned flags)) \
  F(devicePrimaryCtxGetState, cuDevicePrimaryCtxGetState, 7000, (CUdevice device, \
      unsigned* flags, int* active)) \
  F(ctxSetCurrent, cuCtxSetCurrent, 4000, (CUcontext context)) \
  F(ctxGetCurrent, cuCtxGetCurrent, 4000, (CUcontext* context)) \
  F(ctxPushCurrent, cuCtxPushCurrent_v2, 4000, (CUcontext context)) \
  F(ctxPopCurrent, cuCtxPopCurrent_v2, 4000, (CUcontext* context)) \
  F(ctxGetDevice, cuCtxGetDevice, 2000, (CUdevice* device)) \
  F(ctxSynchronize, cuCtxSynchronize, 2000, ()) \
  F(ctxGetStreamPriorityRange, cuCtxGetStreamPriorityRange, 5050, (int* leastPriority, \
      int* greatestPriority)) \
  F(ctxEnablePeerAccess, cuCtxEnablePeerAccess, 4000, (CUcontext peerContext, unsigned flags)) \
  F(ctxDisablePeerAccess, cuCtxDisablePeerAccess, 4000, (CUcontext peerContext)) \
  /* A3 streams+host func */ \
  F(streamCreateWithPriority, cuStreamCreateWithPriority, 5050, (CUstream* stream, \
      unsigned flags, int priority)) \
  F(streamCreate, cuStreamCreate, 2000, (CUstream* stream, unsigned flags)) \
  F(streamDestroy, cuStreamDestroy_v2, 4000, (CUstream stream)) \
  F(streamQuery, cuStreamQuery, 2000, (CUstream stream)) \
  F(streamSynchronize, cuStreamSynchronize, 2000, (CUstream stream)) \
  F(streamWaitEvent, cuStreamWaitEvent, 3020, (CUstream stream, CUevent event, \
      unsigned flags)) \
  F(streamGetCtx, cuStreamGetCtx, 9020, (CUstream stream, CUcontext* context)) \
  F(launchHostFunc, cuLaunchHostFunc, 10000, (CUstream stream, CUhostFn function, \
      void* userData)) \
  /* A4 events */ \
  F(eventCreate, cuEventCreate, 2000, (CUevent* event, unsigned flags)) \
  F(eventRecord, cuEventRecord, 2000, (CUevent event, CUstream stream)) \
  F(eventQuery, cuEventQuery, 2000, (CUevent event)) \
  F(eventSynchronize, cuEventSynchronize, 2000, (CUevent event)) \
  F(eventElapsedTime, cuEventElapsedTime, 2000, (float* milliseconds, CUevent start, \
      CUevent end)) \
  F(eventDestroy, cuEventDestroy_v2, 4000, (CUevent event)) \
  /* A5 memory */ \
  F(memGetInfo, cuMemGetInfo_v2, 3020, (std::size_t* free, std::size_t* total)) \
  F(memAlloc, cuMemAlloc_v2, 3020, (CUdeviceptr* pointer, std::size_t size)) \
  F(memFree, cuMemFree_v2, 3020, (CUdeviceptr pointer)) \
  F(memHostAlloc, cuMemHostAlloc, 2020, (void** pointer, std::size_t size, unsigned flags)) \
  F(memFreeHost, cuMemFreeHost, 2000, (void* pointer)) \
  F(memHostRegister, cuMemHostRegister_v2, 6050, (void* pointer, std::size_t size, \
      unsigned flags)) \
  F(memHostUnregister, cuMemHostUnregister, 4000, (void* pointer)) \
  F(memHostGetDevicePointer, cuMemHostGetDevicePointer_v2, 3020, (CUdeviceptr* device, \
      void* host, unsigned flags)) \
  F(memGetAddressRange, cuMemGetAddressRange_v2, 3020, (CUdeviceptr* base, std::size_t* size, \
      CUdeviceptr pointer)) \
  F(pointerGetAttribute, cuPointerGetAttribute, 4000, (void* data, \
      CUpointer_attribute attribute, CUdeviceptr pointer)) \
  F(pointerGetAttributes, cuPointerGetAttributes, 7000, (unsigned numAttributes, \
      CUpointer_attribute* attributes, void** data, CUdeviceptr pointer)) \
  /* A6 stream-ordered pool */ \
  F(memAllocAsync, cuMemAllocAsync, 11020, (CUdeviceptr* pointer, std::size_t size, \
      CUstream stream)) \
  F(memFreeAsync, cuMemFreeAsync, 11020, (CUdeviceptr pointer, CUstream stream)) \
  F(memAllocFromPoolAsync, cuMemAllocFromPoolAsync, 11020, (CUdeviceptr* pointer, \
      std::size_t size, CUmemoryPool pool, CUstream stream)) \
  F(deviceGetDefaultMemPool, cuDeviceGetDefaultMemPool, 11020, (CUmemoryPool* pool, \
      CUdevice device)) \
  F(deviceGetMemPool, cuDeviceGetMemPool, 11020, (CUmemoryPool* pool, CUdevice device)) \
  F(deviceSetMemPool, cuDeviceSetMemPool, 11020, (CUdevice device, CUmemoryPool pool)) \
  F(memPoolCreate, cuMemPoolCreate, 11020, (CUmemoryPool* pool, \
      const CUmemPoolProps* properties)) \
  F(memPoolDestroy, cuMemPoolDestroy, 11020, (CUmemoryPool pool)) \
  F(memPoolSetAttribute, cuMemPoolSetAttribute, 11020, (CUmemoryPool pool, \
      CUmemPool_attribute attribute, void* value)) \
  F(memPoolGetAttribute, cuMemPoolGetAttribute, 11020, (CUmemoryPool pool, \
      CUmemPool_attribute attribute, void* value)) \
  F(memPoolTrimTo, cuMemPoolTrimTo, 11020, (CUmemoryPool pool, std::size_t minBytesToKeep)) \
  F(memPoolSetAccess, cuMemPoolSetAccess, 11020, (CUmemoryPool pool, \
      const CUmemAccessDesc* descriptors, std::size_t count)) \
  /* A7 copies */ \
  F(memcpyHtoDAsync, cuMemcpyHtoDAsync_v2, 3020, (CUdeviceptr dstDevice, const void* srcHost, \
      std::size_t size, CUstream stream)) \
  F(memcpyDtoHAsync, cuMemcpyDtoHAsync_v2, 3020, (void* dstHost, CUdeviceptr srcDevice, \
      std::size_t size, CUstream stream)) \
  F(memcpyDtoDAsync, cuMemcpyDtoDAsync_v2, 3020, (CUdeviceptr dstDevice, \
      CUdeviceptr srcDevice, std::size_t size, CUstream stream)) \
  F(memcpyAsync, cuMemcpyAsync, 4000, (CUdeviceptr dst, CUdeviceptr src, std::size_t size, \
      CUstream stream)) \
  F(memcpyPeerAsync, cuMemcpyPeerAsync, 4000, (CUdeviceptr dstDevice, CUcontext dstContext, \
      CUdeviceptr srcDevice, CUcontext srcContext, std::size_t size, CUstream stream)) \
  F(memsetD8Async, cuMemsetD8Async, 3020, (CUdeviceptr dstDevice, unsigned char value, \
      std::size_t count, CUstream stream)) \
  F(memsetD32Async, cuMemsetD32Async, 3020, (CUdeviceptr dstDevice, unsigned value, \
      std::size_t count, CUstream stream)) \
  F(memcpyHtoD, cuMemcpyHtoD_v2, 3020, (CUdeviceptr dstDevice, const void* srcHost, \
      std::size_t size)) \
  F(memcpyDtoH, cuMemcpyDtoH_v2, 3020, (void* dstHost, CUdeviceptr srcDevice, \
      std::size_t size)) \
  /* A8 code */ \
  F(moduleLoadData, cuModuleLoadData, 2000, (CUmodule* module, const void* image)) \
  F(moduleLoadDataEx, cuModuleLoadDataEx, 2010, (CUmodule* module, const void* image, \
      unsigned numOptions, CUjit_option* options, void** optionValues)) \
  F(moduleUnload, cuModuleUnload, 2000, (CUmodule module)) \
  F(moduleGetFunction, cuModuleGetFunction, 2000, (CUfunction* function, CUmodule module, \
      const char* name)) \
  F(moduleGetGlobal, cuModuleGetGlobal_v2, 3020, (CUdeviceptr* pointer, std::size_t* size, \
      CUmodule module, const char* name)) \
  F(funcGetAttribute, cuFuncGetAttribute, 2020, (int* value, CUfunction_attribute attribute, \
      CUfunction function)) \
  F(funcSetAttribute, cuFuncSetAttribute, 9000, (CUfunction function, \
      CUfunction_attribute attribute, int value)) \
  F(launchKernel, cuLaunchKernel, 4000, (CUfunction function, unsigned gridDimX, \
      unsigned gridDimY, unsigned gridDimZ, unsigned blockDimX, unsigned blockDimY, \
      unsigned blockDimZ, unsigned sharedMemBytes, CUstream stream, void** kernelParams, \
      void** extra)) \
  F(occupancyMaxPotentialBlockSize, cuOccupancyMaxPotentialBlockSize, 6050, (int* minGridSize, \
      int* blockSize, CUfunction function, CUoccupancyB2DSize blockSizeToDynamicSMemSize, \
      std::size_t dynamicSMemSize, int blockSizeLimit)) \
  F(occupancyMaxActiveBlocksPerMultiprocessor, cuOccupancyMaxActiveBlocksPerMultiprocessor, \
      6050, (int* numBlocks, CUfunction function, int blockSize, std::size_t dynamicSMemSize)) \
  /* A9 IPC */ \
  F(ipcGetMemHandle, cuIpcGetMemHandle, 4010, (CUipcMemHandle* handle, CUdeviceptr pointer)) \
  F(ipcOpenMemHandle, cuIpcOpenMemHandle_v2, 11000, (CUdeviceptr* pointer, \
      CUipcMemHandle handle, unsigned flags)) \
  F(ipcCloseMemHandle, cuIpcCloseMemHandle, 4010, (CUdeviceptr pointer)) \
  F(ipcGetEventHandle, cuIpcGetEventHandle, 4010, (CUipcEventHandle* handle, CUevent event)) \
  F(ipcOpenEventHandle, cuIpcOpenEventHandle, 4010, (CUevent* event, CUipcEventHandle handle))

#define ALNILAM_DRIVER_OPTIONAL(F) \
  /* B optional: pool IPC */ \
  F(memPoolExportToShareableHandle, cuMemPoolExportToShareableHandle, 11020, (void* handle, \
      CUmemoryPool pool, CUmemAllocationHandleType handleType, unsigned long long flags)) \
  F(memPoolImportFromShareableHandle, cuMemPoolImportFromShareableHandle, 11020, \
      (CUmemoryPool* pool, void* handle, CUmemAllocationHandleType handleType, \
      unsigned long long flags)) \
  F(memPoolExportPointer, cuMemPoolExportPointer, 11020, (CUmemPoolPtrExportData* shareData, \
      CUdeviceptr pointer)) \
  F(memPoolImportPointer, cuMemPoolImportPointer, 11020, (CUdeviceptr* pointer, \
      CUmemoryPool pool, CUmemPoolPtrExportData* shareData)) \
  /* B optional: VMM/dma-buf */ \
  F(memGetAllocationGranularity, cuMemGetAllocationGranularity, 10020, \
      (std::size_t* granularity, const CUmemAllocationProp* properties, \
      CUmemAllocationGranularity_flags option)) \
  F(memCreate, cuMemCreate, 10020, (CUmemGenericAllocationHandle* handle, std::size_t size, \
      const CUmemAllocationProp* properties, unsigned long long flags)) \
  F(memRelease, cuMemRelease, 10020, (CUmemGenericAllocationHandle handle)) \
  F(memAddressReserve, cuMemAddressReserve, 10020, (CUdeviceptr* pointer, std::size_t size, \
      std::size_t alignment, CUdeviceptr addr, unsigned long long flags)) \
  F(memAddressFree, cuMemAddressFree, 10020, (CUdeviceptr pointer, std::size_t size)) \
  F(memMap, cuMemMap, 10020, (CUdeviceptr pointer, std::size_t size, std::size_t offset, \
      CUmemGenericAllocationHandle handle, unsigned long long flags)) \
  F(memUnmap, cuMemUnmap, 10020, (CUdeviceptr pointer, std::size_t size)) \
  F(memSetAccess, cuMemSetAccess, 10020, (CUdeviceptr pointer, std::size_t size, \
      const CUmemAccessDesc* descriptors, std::size_t count)) \
  F(memExportToShareableHandle, cuMemExportToShareableHandle, 10020, (void* shareableHandle, \
      CUmemGenericAllocationHandle handle, CUmemAllocationHandleType handleType, \
      unsigned long long flags)) \
  F(memImportFromShareableHandle, cuMemImportFromShareableHandle, 10020, \
      (CUmemGenericAllocationHandle* handle, void* osHandle, \
      CUmemAllocationHandleType shHandleType)) \
  F(memGetHandleForAddressRange, cuMemGetHandleForAddressRange, 11070, (void* handle, \
      CUdeviceptr pointer, std::size_t size, CUmemRangeHandleType handleType, \
      unsigned long long flags)) \
  /* B optional: graphs */ \
  F(streamBeginCapture, cuStreamBeginCapture_v2, 10010, (CUstream stream, \
      CUstreamCaptureMode mode)) \
  F(streamEndCapture, cuStreamEndCapture, 10000, (CUstream stream, CUgraph* graph)) \
  F(streamIsCapturing, cuStreamIsCapturing, 10000, (CUstream stream, \
      CUstreamCaptureStatus* captureStatus)) \
  F(streamGetCaptureInfo, cuStreamGetCaptureInfo_v2, 11030, (CUstream stream, \
      CUstreamCaptureStatus* captureStatus, std::uint64_t* id, CUgraph* graph, \
      const CUgraphNode** dependencies, std::size_t* numDependencies)) \
  F(graphInstantiateWithFlags, cuGraphInstantiateWithFlags, 11040, (CUgraphExec* graphExec, \
      CUgraph graph, unsigned long long flags)) \
  F(graphLaunch, cuGraphLaunch, 10000, (CUgraphExec graph, CUstream stream)) \
  F(graphExecUpdate, cuGraphExecUpdate_v2, 12000, (CUgraphExec graphExec, CUgraph graph, \
      CUgraphExecUpdateResultInfo* resultInfo)) \
  F(graphUpload, cuGraphUpload, 11010, (CUgraphExec graph, CUstream stream)) \
  F(graphExecDestroy, cuGraphExecDestroy, 10000, (CUgraphExec graphExec)) \
  F(graphDestroy, cuGraphDestroy, 10000, (CUgraph graph)) \
  /* B optional: libraries/launchEx/managed/batch */ \
  F(libraryLoadData, cuLibraryLoadData, 12000, (CUlibrary* library, const void* code, \
      CUjit_option* jitOptions, void** jitOptionsValues, unsigned numJitOptions, \
      CUlibraryOption* libraryOptions, void** libraryOptionValues, \
      unsigned numLibraryOptions)) \
  F(libraryUnload, cuLibraryUnload, 12000, (CUlibrary library)) \
  F(libraryGetKernel, cuLibraryGetKernel, 12000, (CUkernel* kernel, CUlibrary library, \
      const char* name)) \
  F(kernelGetFunction, cuKernelGetFunction, 12000, (CUfunction* function, CUkernel kernel)) \
  F(funcGetParamInfo, cuFuncGetParamInfo, 12040, (CUfunction function, std::size_t paramIndex, \
      std::size_t* paramOffset, std::size_t* paramSize)) \
  F(launchKernelEx, cuLaunchKernelEx, 11060, (const CUlaunchConfig* config, \
      CUfunction function, void** kernelParams, void** extra)) \
  F(launchCooperativeKernel, cuLaunchCooperativeKernel, 9000, (CUfunction function, \
      unsigned gridDimX, unsigned gridDimY, unsigned gridDimZ, unsigned blockDimX, \
      unsigned blockDimY, unsigned blockDimZ, unsigned sharedMemBytes, CUstream stream, \
      void** kernelParams)) \
  F(memAllocManaged, cuMemAllocManaged, 6000, (CUdeviceptr* pointer, std::size_t size, \
      unsigned flags)) \
  F(memPrefetchAsync, cuMemPrefetchAsync, 8000, (CUdeviceptr pointer, std::size_t count, \
      CUdevice dstDevice, CUstream stream)) \
  F(memcpyBatchAsync, cuMemcpyBatchAsync, 12080, (CUdeviceptr* dsts, CUdeviceptr* srcs, \
      std::size_t* sizes, std::size_t count, CUmemcpyAttributes* attrs, std::size_t* attrIdxs, \
      std::size_t numAttrs, std::size_t* failIdx, CUstream stream)) \
  F(streamGetId, cuStreamGetId, 12000, (CUstream stream, unsigned long long* streamId)) \
  F(streamWriteValue32, cuStreamWriteValue32_v2, 11070, (CUstream stream, CUdeviceptr addr, \
      std::uint32_t value, unsigned flags)) \
  F(streamWaitValue32, cuStreamWaitValue32_v2, 11070, (CUstream stream, CUdeviceptr addr, \
      std::uint32_t value, unsigned flags)) \
  F(ctxGetId, cuCtxGetId, 12000, (CUcontext context, unsigned long long* ctxId)) \
  /* B optional: green contexts */ \
  F(deviceGetDevResource, cuDeviceGetDevResource, 12040, (CUdevice device, \
      CUdevResource* resource, CUdevResourceType type)) \
  F(devSmResourceSplitByCount, cuDevSmResourceSplitByCount, 12040, (CUdevResource* result, \
      unsigned* nbGroups, const CUdevResource* input, CUdevResource* remaining, \
      unsigned useFlags, unsigned minCount)) \
  F(devResourceGenerateDesc, cuDevResourceGenerateDesc, 12040, (CUdevResourceDesc* desc, \
      CUdevResource* resources, unsigned nbResources)) \
  F(greenCtxCreate, cuGreenCtxCreate, 12040, (CUgreenCtx* green, CUdevResourceDesc desc, \
      CUdevice device, unsigned flags)) \
  F(greenCtxDestroy, cuGreenCtxDestroy, 12040, (CUgreenCtx green)) \
  F(ctxFromGreenCtx, cuCtxFromGreenCtx, 12040, (CUcontext* context, CUgreenCtx green)) \
  F(greenCtxStreamCreate, cuGreenCtxStreamCreate, 12050, (CUstream* stream, CUgreenCtx green, \
      unsigned flags, int priority))
// clang-format on
