// says: a std::string_view or std::span does not own its bytes
#include "core/api/encode.h"

struct Named {
  int id;
  std::string_view name;
};

Named read(std::span<const std::byte> bytes) { return alnilam::decode<Named>(bytes); }
