// says: Refs in a vector go where a std::vector of their values
#include "core/api/cluster.h"

int sum(const std::vector<int>& values);

void run(const alnilam::Cluster& cluster, const std::vector<alnilam::Ref<double>>& values) {
  cluster.submit(sum, values);
}
