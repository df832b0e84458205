// says: a union does not say which member is set
#include "core/api/encode.h"

union Either {
  int number;
  float fraction;
};
struct Holder {
  Either either;
};

std::size_t size(const Holder& holder) { return alnilam::encodedSize(holder); }
