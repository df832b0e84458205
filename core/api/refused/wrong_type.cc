// says: an argument cannot be converted to the function's parameter
#include "core/api/cluster.h"

int add(int a, int b);

void run(const alnilam::Cluster& cluster) { cluster.submit(add, 1, std::string("two")); }
