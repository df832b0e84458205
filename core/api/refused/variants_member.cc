// says: ALNILAM_VARIANTS takes plain functions
#include "core/api/variants.h"

struct Blur {
  int run(int x);
};
ALNILAM_VARIANTS(either, cpu(Blur::run));
