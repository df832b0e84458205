// says: a reference cannot be sent
#include "core/api/encode.h"

struct Named {
  const std::string& name;
};

std::size_t size(const Named& named) { return alnilam::encodedSize(named); }
