// says: a Ref inside a value is not followed
#include "core/api/cluster.h"

struct Pair {
  alnilam::Ref<int> left, right;
};

void run(const alnilam::Cluster& cluster, const Pair& pair) { cluster.put(pair); }
