// says: ALNILAM_VARIANTS: all variants return the same type
#include "core/api/variants.h"

int onOne(int x);
long onTwo(int x);
ALNILAM_VARIANTS(either, cpu(onOne), cpu(onTwo));
