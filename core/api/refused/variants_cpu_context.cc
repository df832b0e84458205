// says: ALNILAM_VARIANTS: a cpu variant has no gpu::Context&
#include "core/api/variants.h"

int onOne(alnilam::gpu::Context& gpu, int x);
ALNILAM_VARIANTS(either, cpu(onOne));
