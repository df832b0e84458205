// says: wrong number of arguments
#include "core/api/cluster.h"

int add(int a, int b);

void run(const alnilam::Cluster& cluster) { cluster.submit(add, 1); }
