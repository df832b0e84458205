// says: only plain functions registered by ALNILAM_TASK can be submitted
#include "core/api/cluster.h"

void run(const alnilam::Cluster& cluster) {
  cluster.submit([](int x) { return x; }, 1);
}
