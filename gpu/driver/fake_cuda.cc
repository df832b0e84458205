// A libcuda that isn't one, for loader_test.cc: it answers the loader's questions as a toolkit's
// stub, a machine without a device, or a broken installation would.  No function does anything.

#include "gpu/driver/driver.h"

#include <cstring>

namespace {

using namespace alnilam::gpu;

CUresult initAnswer = CUDA_SUCCESS;
CUresult lookupAnswer = CUDA_SUCCESS;
const char* missingSymbol = "";

CUresult init(unsigned) { return initAnswer; }
CUresult driverGetVersion(int* version) {
  *version = 12040;
  return CUDA_SUCCESS;
}
CUresult anythingElse() { return CUDA_ERROR_NOT_SUPPORTED; }

}  // namespace

extern "C" {

// What the next load meets: cuInit's answer, cuGetProcAddress's, and one symbol that isn't there.
void fakeCudaAnswer(unsigned initCode, unsigned lookupCode, const char* missing) {
  initAnswer = static_cast<CUresult>(initCode);
  lookupAnswer = static_cast<CUresult>(lookupCode);
  missingSymbol = missing;
}

CUresult cuGetProcAddress_v2(const char* symbol, void** function, int version, std::uint64_t,
                             CUdriverProcAddressQueryResult* found) {
  if (lookupAnswer != CUDA_SUCCESS) return lookupAnswer;
  // As the real one, it knows symbols by their names without version, and is strict about those.
  if (std::strcmp(symbol, missingSymbol) == 0 || std::strstr(symbol, "_v") || version > 12040) {
    *found = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    *function = nullptr;
    return CUDA_SUCCESS;
  }
  *found = CU_GET_PROC_ADDRESS_SUCCESS;
  *function = reinterpret_cast<void*>(&anythingElse);
  if (std::strcmp(symbol, "cuInit") == 0) *function = reinterpret_cast<void*>(&init);
  if (std::strcmp(symbol, "cuDriverGetVersion") == 0) {
    *function = reinterpret_cast<void*>(&driverGetVersion);
  }
  return CUDA_SUCCESS;
}

}  // extern "C"
