// says: ALNILAM_VARIANTS: a cuda variant takes gpu::Context& first
#include "core/api/variants.h"

int onOne(int x);
ALNILAM_VARIANTS(either, cuda(onOne));
