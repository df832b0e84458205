// says: submit: wrong number of arguments for this task
#include "core/api/cluster.h"
#include "core/api/variants.h"

int onOne(int x);
ALNILAM_VARIANTS(either, cpu(onOne));

void run(const alnilam::Cluster& cluster) { cluster.submit({.cpus = 1}, either, 1, 2); }
