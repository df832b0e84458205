#pragma once
// Where tasks of a class would like to run, beyond what they need: which nodes may run them, and
// which of those are better.

#include "core/base/error.h"
#include "core/graph/label_rule.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace alnilam {

// Number for number on the wire.
enum class PlacementPolicy : std::uint8_t {
  standard = 0,  // the cluster's
  spread = 1,    // where least is going on
  pack = 2,      // where most is going on and there is room, so that other nodes stay empty
  locality = 3,  // where most of the inputs lie, though that node be busy for a while
  affinity = 4,  // tasks of one key on the same nodes, and on others only when those are too busy
};

struct Placing {
  PlacementPolicy policy = PlacementPolicy::standard;
  std::string affinity;          // the key; of the policy `affinity` alone
  std::vector<LabelRule> rules;  // all hold of a node that runs them
  std::string apart;  // tasks of the job with this key are on different nodes; empty: any nodes

  bool operator==(const Placing&) const = default;

  static constexpr std::size_t kMaxKey = 256;  // bytes, of `affinity` and `apart`

  // Empty if it can be meant; else what is wrong: too many rules, two that contradict each other.
  std::string flaw() const;
};

// "default", "spread", "pack", "locality"; "affinity(KEY)".
std::string show(PlacementPolicy policy, std::string_view key = {});

// Sets policy and key from such a text; refuses (invalid) anything else, naming what there is.
Result<bool> parsePolicy(std::string_view text, Placing& into);

}  // namespace alnilam
