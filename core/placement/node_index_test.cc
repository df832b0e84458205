#include "core/placement/node_index.h"

#include "core/placement/class_board.h"
#include "core/placement/placer.h"
#include "core/placement/policy/bestfit.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

namespace alnilam::placement {
namespace {

NodeKind kindOf(int cpus, int devices, const std::string& model, Bytes deviceMemory = 16_GiB) {
  return {cpus * Amount::kPerUnit, 64_GiB, std::vector<Bytes>(devices, deviceMemory), model, {}};
}

Request requestOf(double cpus, int devices, int share, Bytes deviceMemory = 0) {
  return {static_cast<std::int64_t>(cpus * Amount::kPerUnit), 1_GiB,
          static_cast<std::uint32_t>(devices), share, deviceMemory, 0};
}

std::uint64_t firstSeed() {
  const char* seed = std::getenv("ALNILAM_SEED");
  return seed != nullptr ? std::strtoull(seed, nullptr, 10) : 20;
}

TEST(NodeIndex, IdleNodesOfAKindAreOneGroupWhoseBestIsTheSmallestRank) {
  NodeIndex nodes;
  std::uint32_t kind = nodes.addKind(kindOf(8, 2, "T4"));
  NodeIndex::Row a = nodes.add(kind, 5), b = nodes.add(kind, 3), c = nodes.add(kind, 9);
  EXPECT_EQ(nodes.liveGroups(), 1u);
  EXPECT_EQ(nodes.best(nodes.groupOf(a)), b);
  DeviceSet taken = nodes.take(b, requestOf(1, 1, 4000), 1);
  EXPECT_EQ(taken, DeviceSet{2});
  EXPECT_EQ(nodes.liveGroups(), 2u);
  EXPECT_EQ(nodes.best(nodes.groupOf(c)), a);
  nodes.give(b, requestOf(1, 1, 4000), taken);
  EXPECT_EQ(nodes.liveGroups(), 1u);
  EXPECT_EQ(nodes.best(nodes.groupOf(c)), b);
  nodes.remove(b);
  EXPECT_EQ(nodes.best(nodes.groupOf(c)), a);
  EXPECT_EQ(nodes.rowCount(), 2u);
}

TEST(NodeIndex, RulesAreLookedAtForKindsThatComeBeforeAndAfter) {
  NodeIndex nodes;
  std::uint32_t t4 = nodes.addKind(kindOf(8, 2, "T4"));
  LabelRule rule{std::string(kModelKey), {"A100", "H100"}, false};
  std::uint32_t constraint = nodes.addConstraint(std::span(&rule, 1));
  std::uint32_t h100 = nodes.addKind(kindOf(8, 2, "H100"));
  EXPECT_EQ(nodes.addConstraint(std::span(&rule, 1)), constraint);
  EXPECT_FALSE(nodes.allows(constraint, t4));
  EXPECT_TRUE(nodes.allows(constraint, h100));
  EXPECT_TRUE(nodes.allows(0, t4));
  EXPECT_EQ(nodes.allowedBits(constraint), std::uint64_t{1} << h100);
}

// What a test keeps beside the index: every node's state, and what was placed.
struct Brute {
  struct Task { NodeIndex::Row row; Request request; DeviceSet devices; };
  std::vector<NodeState> states;  // by row
  std::vector<bool> present;
  std::vector<std::uint32_t> ranks;
  std::vector<Task> tasks;
};

Request randomRequest(std::mt19937_64& random, const std::vector<std::uint32_t>& constraints) {
  auto below = [&random](std::uint64_t n) { return random() % n; };
  Request request;
  request.cpu = static_cast<std::int64_t>(1 + below(8)) * 5000;
  request.memory = below(4) * 2_GiB;
  switch (below(4)) {
    case 0: break;
    case 1:
      request.devices = 1;
      request.share = static_cast<std::int32_t>(1 + below(9)) * 1000;
      request.deviceMemory = below(3) * 2_GiB;
      break;
    default:
      request.devices = static_cast<std::uint32_t>(1 + below(3));
      request.share = kWhole;
      break;
  }
  request.constraint = constraints[below(constraints.size())];
  return request;
}

// The best row by looking at every node, for comparison.
template <typename Better>
std::optional<NodeIndex::Row> bruteBest(const NodeIndex& nodes, const Brute& brute,
                                        const Request& request, Better&& better) {
  std::optional<NodeIndex::Row> best;
  for (NodeIndex::Row row = 0; row < brute.states.size(); ++row) {
    const NodeState& state = brute.states[row];
    if (!brute.present[row] || !nodes.allows(request.constraint, state.kind)) continue;
    if (!fits(state, request)) continue;
    if (!best || better(row, *best)) best = row;
  }
  return best;
}

// A million steps of placing by four ways, each against looking at every node; giving back; nodes
// that come and go.
TEST(NodeIndex, IsExactUnderAMillionRandomSteps) {
  std::uint64_t seed = firstSeed();
  SCOPED_TRACE("ALNILAM_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  auto below = [&random](std::uint64_t n) { return random() % n; };
  NodeIndex nodes;
  std::vector<std::uint32_t> kinds = {
      nodes.addKind(kindOf(8, 2, "T4")), nodes.addKind(kindOf(16, 4, "V100")),
      nodes.addKind(kindOf(32, 0, "")), nodes.addKind(kindOf(8, 2, "A100", 40_GiB))};
  LabelRule only{std::string(kModelKey), {"T4", "A100"}, false};
  LabelRule never{std::string(kModelKey), {"V100"}, true};
  std::vector<std::uint32_t> constraints = {0, 0, nodes.addConstraint(std::span(&only, 1)),
                                            nodes.addConstraint(std::span(&never, 1))};
  Brute brute;
  auto addNode = [&](std::uint32_t rank) {
    std::uint32_t kind = kinds[below(kinds.size())];
    NodeIndex::Row row = nodes.add(kind, rank);
    if (row >= brute.states.size()) {
      brute.states.resize(row + 1);
      brute.present.resize(row + 1);
      brute.ranks.resize(row + 1);
    }
    brute.states[row] = NodeState::idle(kind, nodes.kind(kind));
    brute.present[row] = true;
    brute.ranks[row] = rank;
  };
  for (std::uint32_t rank = 0; rank < 24; ++rank) addNode(1000 - rank);
  std::uint32_t nextRank = 2000;
  std::map<Request, ClassBoard> boards;
  auto score = [](const Question& question) { return bestfit(question, {}); };
  auto brutal = [&](NodeIndex::Row row, const Request& request) {
    return score({nodes.kind(brute.states[row].kind), brute.states[row], request}).score;
  };
  std::uint64_t placed = 0, refused = 0;
  for (int step = 0; step < 1'000'000; ++step) {
    std::uint64_t what = below(100);
    if (what < 55) {
      Request request = randomRequest(random, constraints);
      std::optional<NodeIndex::Row> got, want;
      auto byRank = [&](NodeIndex::Row a, NodeIndex::Row b) {
        return brute.ranks[a] < brute.ranks[b];
      };
      auto first = [&](bool packed) {
        nodes.search(packed, request, [&](NodeIndex::Group group) {
          got = nodes.best(group);
          return true;
        });
      };
      switch (what % 3) {
        case 0: {
          if (boards.size() > 200) boards.clear();
          auto best = boards[request].best(nodes, request, 1, score);
          if (best) got = nodes.best(best->group);
          want = bruteBest(nodes, brute, request, [&](NodeIndex::Row a, NodeIndex::Row b) {
            std::int64_t x = brutal(a, request), y = brutal(b, request);
            return x != y ? x > y : byRank(a, b);
          });
          break;
        }
        case 1:
          first(true);
          want = bruteBest(nodes, brute, request, [&](NodeIndex::Row a, NodeIndex::Row b) {
            std::int64_t x = nodes.freeness(brute.states[a]), y = nodes.freeness(brute.states[b]);
            return x != y ? x < y : byRank(a, b);
          });
          break;
        default:
          first(false);
          want = bruteBest(nodes, brute, request, [&](NodeIndex::Row a, NodeIndex::Row b) {
            auto loadOf = [&](NodeIndex::Row row) {
              return dominantLoad(nodes.kind(brute.states[row].kind), brute.states[row]);
            };
            std::int64_t x = loadOf(a), y = loadOf(b);
            return x != y ? x < y : byRank(a, b);
          });
      }
      ASSERT_EQ(got, want) << "step " << step;
      if (!got) {
        ++refused;
        continue;
      }
      ++placed;
      std::int32_t device = request.isShare() ? fullestFitting(nodes.stateOf(*got), request) : -1;
      DeviceSet devices = nodes.take(*got, request, device);
      ASSERT_EQ(take(brute.states[*got], request, device), devices);
      brute.tasks.push_back({*got, request, devices});
    } else if (what < 97) {
      if (brute.tasks.empty()) continue;
      std::swap(brute.tasks[below(brute.tasks.size())], brute.tasks.back());
      Brute::Task task = brute.tasks.back();
      brute.tasks.pop_back();
      nodes.give(task.row, task.request, task.devices);
      give(brute.states[task.row], task.request, task.devices);
    } else if (what < 98 && nodes.rowCount() > 8) {
      NodeIndex::Row row = static_cast<NodeIndex::Row>(below(brute.states.size()));
      if (!brute.present[row]) continue;
      nodes.remove(row);
      brute.present[row] = false;
      std::erase_if(brute.tasks, [row](const Brute::Task& task) { return task.row == row; });
    } else if (nodes.rowCount() < 32) {
      addNode(nextRank++);
    }
    if (step % 1000 == 0) {
      ASSERT_TRUE(nodes.consistent()) << "step " << step;
      for (NodeIndex::Row row = 0; row < brute.states.size(); ++row) {
        if (!brute.present[row]) continue;
        ASSERT_TRUE(nodes.stateOf(row) == brute.states[row]) << row;
      }
    }
  }
  EXPECT_GT(placed, 100'000u);
  EXPECT_GT(refused, 10'000u);
  for (const Brute::Task& task : brute.tasks) nodes.give(task.row, task.request, task.devices);
  for (NodeIndex::Row row = 0; row < brute.states.size(); ++row) {
    if (!brute.present[row]) continue;
    std::uint32_t kind = nodes.stateOf(row).kind;
    EXPECT_TRUE(nodes.stateOf(row) == NodeState::idle(kind, nodes.kind(kind)));
  }
}

}  // namespace
}  // namespace alnilam::placement
