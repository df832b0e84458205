// says: ALNILAM_VARIANTS: all variants take the same types of arguments
#include "core/api/variants.h"

int onOne(alnilam::View<const float> x);
int onTwo(alnilam::View<const double> x);
ALNILAM_VARIANTS(either, cpu(onOne), cpu(onTwo));
