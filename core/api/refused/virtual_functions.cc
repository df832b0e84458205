// says: a class with virtual functions cannot be sent
#include "core/api/encode.h"

struct Shape {
  virtual ~Shape() = default;
  int id = 0;
};

std::size_t size(const Shape& shape) { return alnilam::encodedSize(shape); }
