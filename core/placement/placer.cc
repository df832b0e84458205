#include "core/placement/placer.h"

#include "core/placement/policy/bestfit.h"
#include "core/placement/policy/clustering.h"
#include "core/placement/policy/default.h"
#include "core/placement/policy/dotprod.h"
#include "core/placement/policy/fgd.h"
#include "core/placement/policy/fragmentation.h"
#include "core/placement/policy/packing.h"

#include <algorithm>
#include <array>

namespace alnilam::placement {
namespace {

constexpr std::array kPolicies = {
    Policy{"default", ScoredBy::function, byOutlook, false, true},
    Policy{"fgd", ScoredBy::function, fgd, true, false},
    Policy{"bestfit", ScoredBy::function, bestfit, false, false},
    Policy{"packing", ScoredBy::function, packing, false, false},
    Policy{"clustering", ScoredBy::function, clustering, false, false},
    Policy{"dotprod", ScoredBy::function, dotprod, false, false},
    Policy{"random", ScoredBy::draw, nullptr, false, false},
    Policy{"pack", ScoredBy::fullest, nullptr, false, false},
    Policy{"spread", ScoredBy::leastLoaded, nullptr, false, false},
    Policy{"fragmentation", ScoredBy::function, fragmentation, true, false},
};

constexpr std::size_t kMostSeenOnce = 4096;

// One of n things.  Source: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
std::uint64_t below(std::uint64_t& random, std::uint64_t n) {
  random += 0x9e3779b97f4a7c15;
  std::uint64_t bits = (random ^ (random >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  return scaled(bits ^ (bits >> 31), n);
}

}  // namespace

std::span<const Policy> policies() { return kPolicies; }

const Policy* findPolicy(std::string_view name) {
  auto at = std::find_if(kPolicies.begin(), kPolicies.end(),
                         [name](const Policy& policy) { return policy.name == name; });
  return at == kPolicies.end() ? nullptr : &*at;
}

Placer::Placer(NodeIndex& nodes, const Policy& policy, std::uint64_t seed)
    : nodes_(nodes), policy_(policy), outlook_(nodes), random_(seed) {
  fragmentation_ = std::make_unique<Fragmentation>(nodes, std::vector<WeighedClass>{});
  terms_ = {fragmentation_.get(), &outlook_};
}

void Placer::know(std::vector<WeighedClass> classes) {
  for (const WeighedClass& one : classes) mix_.observe(one.request, one.count);
  fragmentation_ = std::make_unique<Fragmentation>(nodes_, std::move(classes));
  terms_.fragmentation = fragmentation_.get();
  outlook_.learn(mix_);
  known_ = true;
  ++epoch_;
}

void Placer::observe(const Request& request, std::uint64_t times) {
  if (!known_ && (policy_.needsOutlook || policy_.needsFragmentation)) {
    mix_.observe(request, times);
  }
}

void Placer::refresh() {
  bool learn = !known_ && mix_.due();
  if (learn) {
    mix_.looked();
    if (policy_.needsFragmentation) {
      fragmentation_ = std::make_unique<Fragmentation>(
          nodes_, mix_.frequent(19, 20, Outlook::kMostClasses));
      terms_.fragmentation = fragmentation_.get();
      ++epoch_;
    }
  }
  if (!policy_.needsOutlook) return;
  if (learn) outlook_.learn(mix_);
  else if (outlook_.due()) outlook_.weigh();
}

std::optional<Placement> Placer::choose(const Request& request) {
  ++decisions_;
  switch (policy_.by) {
    case ScoredBy::draw: return draw(request);
    case ScoredBy::fullest: return first(request, true);
    case ScoredBy::leastLoaded: return first(request, false);
    case ScoredBy::function: break;
  }
  refresh();
  return scored(request);
}

std::optional<Placer::Placed> Placer::place(const Request& request) {
  std::optional<Placement> placement = choose(request);
  if (!placement) return std::nullopt;
  return Placed{placement->row, nodes_.take(placement->row, request, placement->choice.device)};
}

std::optional<Placement> Placer::draw(const Request& request) {
  std::uint64_t fitting = 0;
  for (NodeIndex::Group group = 0; group < nodes_.groupSlots(); ++group) {
    if (nodes_.fits(group, request)) fitting += nodes_.rowsOf(group).size();
  }
  if (fitting == 0) return std::nullopt;
  std::uint64_t drawn = below(random_, fitting);
  for (NodeIndex::Group group = 0; group < nodes_.groupSlots(); ++group) {
    if (!nodes_.fits(group, request)) continue;
    std::span<const NodeIndex::Row> rows = nodes_.rowsOf(group);
    if (drawn >= rows.size()) {
      drawn -= rows.size();
      continue;
    }
    Placement placement{rows[drawn], {}};
    if (!request.isShare()) return placement;
    std::vector<std::uint32_t> devices;
    for (std::uint32_t i = 0; i < nodes_.state(group).deviceCount; ++i) {
      if (deviceFits(nodes_.state(group), request, i)) devices.push_back(i);
    }
    placement.choice.device = static_cast<std::int32_t>(
        devices[below(random_, devices.size())]);
    return placement;
  }
  return std::nullopt;
}

std::optional<Placement> Placer::first(const Request& request, bool packed) {
  std::optional<Placement> found;
  nodes_.search(packed, request, [&](NodeIndex::Group group) {
    const NodeState& state = nodes_.state(group);
    Question question{nodes_.kind(state.kind), state, request};
    found = Placement{nodes_.best(group), {0, defaultDevice(question)}};
    return true;
  });
  return found;
}

std::optional<Placement> Placer::scored(const Request& request) {
  Board* board = boardFor(request);
  if (board == nullptr) return scanned(request);
  std::uint64_t epoch = epoch_ + outlook_.epoch();
  auto score = [&](const Question& question) { return policy_.score(question, terms_); };
  std::optional<ClassBoard::Best> best = board->board.best(nodes_, request, epoch, score);
  if (!best) return std::nullopt;
  return Placement{nodes_.best(best->group), best->choice};
}

std::optional<Placement> Placer::scanned(const Request& request) {
  std::optional<Placement> best;
  auto consider = [&](NodeIndex::Group group) {
    const NodeState& state = nodes_.state(group);
    Choice choice = policy_.score({nodes_.kind(state.kind), state, request}, terms_);
    NodeIndex::Row row = nodes_.best(group);
    bool better = !best || choice.score > best->choice.score ||
                  (choice.score == best->choice.score &&
                   nodes_.rankOf(row) < nodes_.rankOf(best->row));
    if (better) best = Placement{row, choice};
  };
  if (nodes_.liveGroups() > kMostScanned) {
    std::size_t seen = 0;
    nodes_.search(true, request, [&](NodeIndex::Group group) {
      consider(group);
      return ++seen == kFullestScored;
    });
    return best;
  }
  for (NodeIndex::Group group = 0; group < nodes_.groupSlots(); ++group) {
    if (nodes_.fits(group, request)) consider(group);
  }
  return best;
}

Placer::Board* Placer::boardFor(const Request& request) {
  auto at = boards_.find(request);
  if (at == boards_.end()) {
    if (seenOnce_.erase(request) == 0) {
      if (seenOnce_.size() >= kMostSeenOnce) seenOnce_.clear();
      seenOnce_.emplace(request, decisions_);
      return nullptr;
    }
    if (boards_.size() >= kMostBoards) {
      boards_.erase(std::min_element(boards_.begin(), boards_.end(),
                                     [](const auto& a, const auto& b) {
                                       return a.second.used < b.second.used;
                                     }));
    }
    at = boards_.emplace(request, Board{}).first;
  }
  at->second.used = decisions_;
  return &at->second;
}

}  // namespace alnilam::placement
