#include "core/base/error.h"

#include <cstdio>
#include <cstdlib>

namespace alnilam {

void bug(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "alnilam: bug: %s is false (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace alnilam
