#pragma once
// What a policy is: a function from a state of a node and a request to an integer.
//
// A policy is asked only about states that fit and kinds that are allowed.  The highest score wins,
// among equals the node of smallest rank.  It also names the device that a share would get.  It
// reads what it is given and nothing else, so equal questions have equal answers, and an answer
// holds until the state or the `Terms` change.
//
// Two kinds of policy are not such functions.  `random` draws (ScoredBy::draw), and those that only
// order nodes by what is free, whatever is asked (`pack`, `spread`), are found by the orders of
// node_index.h without scoring (ScoredBy::fullest, leastLoaded).  Policies about one node rather
// than a state (locality.h, affinity.h, cost.h) choose among nodes that they name themselves.

#include "core/placement/node_state.h"

#include <cstdint>
#include <string_view>

namespace alnilam::placement {

class Fragmentation;
class Outlook;

struct Choice {
  std::int64_t score = 0;
  std::int32_t device = -1;  // which device gives the share; -1 for whole ones and for none
};

struct Question {
  const NodeKind& kind;
  const NodeState& state;
  const Request& request;
};

// What policies may know beside the question.  Not owned; what a policy needs must be there.
struct Terms {
  const Fragmentation* fragmentation = nullptr;
  const Outlook* outlook = nullptr;
};

using ScoreFunction = Choice (*)(const Question&, const Terms&);

enum class ScoredBy : std::uint8_t { function, draw, fullest, leastLoaded };

struct Policy {
  std::string_view name;
  ScoredBy by = ScoredBy::function;
  ScoreFunction score = nullptr;   // where by function
  bool needsFragmentation = false;
  bool needsOutlook = false;
};

// The device for a share where a policy has no view of its own: the one with least left.
inline std::int32_t defaultDevice(const Question& question) {
  return question.request.isShare() ? fullestFitting(question.state, question.request) : -1;
}

}  // namespace alnilam::placement
