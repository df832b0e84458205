// says: ALNILAM_VARIANT_hip
#include "core/api/variants.h"

int onOne(int x);
ALNILAM_VARIANTS(either, hip(onOne));
