// says: a std::shared_ptr cannot be sent
#include "core/api/encode.h"

struct Shared {
  std::shared_ptr<int> value;
};

std::size_t size(const Shared& shared) { return alnilam::encodedSize(shared); }
