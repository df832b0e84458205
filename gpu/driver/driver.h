#pragma once
// The CUDA driver as a value: a table of function pointers.
//
// A node must start on machines without a GPU, so libcuda.so.1 is opened at run time (loader.h) and
// its entry points travel in this table.  The emulator fills the same table, and so may a test with
// fakes.  The rest of gpu/ sees nothing but a Driver: there is one device code path.
//
// Members are the driver's names without "cu" and without version: driver.streamCreate is
// cuStreamCreate; functions.h says which version.  Required members are never null in a table from
// the loader; optional ones (from memPoolExportToShareableHandle on) may be.
//
// Threading: a table is immutable once filled; its functions may be called from any thread, as the
//   driver allows.  Never call one from a host function (launchHostFunc): hand over to a queue.
// Lifetime: whoever keeps a handle keeps a pointer to the Driver, so a Driver stays where it is.

#include "gpu/driver/functions.h"

namespace alnilam::gpu {

using namespace abi;  // the driver's own names are at home in gpu/

struct Driver {
#define ALNILAM_DRIVER_MEMBER(member, symbol, version, parameters) \
  CUresult(*member) parameters = nullptr;
  ALNILAM_DRIVER_REQUIRED(ALNILAM_DRIVER_MEMBER)
  ALNILAM_DRIVER_OPTIONAL(ALNILAM_DRIVER_MEMBER)
#undef ALNILAM_DRIVER_MEMBER
};

}  // namespace alnilam::gpu
