// says: a pointer cannot be sent
#include "core/api/encode.h"

struct Node {
  int value;
  Node* next;
};

std::size_t size(const Node& node) { return alnilam::encodedSize(node); }
