// says: a struct with a base class cannot be taken apart
#include "core/api/encode.h"

struct Shape {
  int id;
};
struct Circle : Shape {
  float radius;
};

std::size_t size(const Circle& circle) { return alnilam::encodedSize(circle); }
