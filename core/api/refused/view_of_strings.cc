// says: only arrays of plain elements
#include "core/api/cluster.h"

void run(const alnilam::Cluster& cluster, const alnilam::Ref<std::vector<std::string>>& names) {
  cluster.view(names);
}
