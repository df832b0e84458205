// says: ALNILAM_VARIANTS: all variants take the same number of arguments
#include "core/api/variants.h"

int onOne(int x);
int onTwo(int x, int y);
ALNILAM_VARIANTS(either, cpu(onOne), cpu(onTwo));
