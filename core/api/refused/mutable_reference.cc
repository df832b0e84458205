// says: this struct has a reference or another member that cannot be made anew
#include "core/api/encode.h"

struct Counter {
  int& count;
};

std::size_t size(const Counter& counter) { return alnilam::encodedSize(counter); }
