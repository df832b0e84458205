// says: an argument cannot be converted to the function's parameter
#include "core/api/cluster.h"
#include "core/api/variants.h"

int onOne(int x);
int onTwo(int x);
ALNILAM_VARIANTS(either, cpu(onOne), cpu(onTwo));

void run(const alnilam::Cluster& cluster) { cluster.submit(either, std::string("two")); }
