// says: this Ref's type is not the parameter's
#include "core/api/cluster.h"

int add(int a, int b);

void run(const alnilam::Cluster& cluster, alnilam::Ref<double> b) { cluster.submit(add, 1, b); }
