#include "core/api/cluster.h"
#include "core/api/task.h"

struct Particle {
  float x, y;
  std::string name;
};

int weigh(const Particle& particle, int grams, alnilam::View<const float> values);
ALNILAM_TASK(weigh);

void run(const alnilam::Cluster& cluster) {
  auto values = cluster.put(std::vector<float>{1, 2});
  cluster.submit({.cpus = 2}, weigh, Particle{}, 3, values);
}
