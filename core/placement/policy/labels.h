#pragma once
// Which kinds of nodes may run a task at all: by the labels of the nodes and the model of their
// devices (core/graph/label_rule.h).  Rules are looked at once for a kind and a set of rules, never
// for a task.

#include "core/graph/label_rule.h"
#include "core/placement/node_state.h"

#include <optional>
#include <span>
#include <string_view>

namespace alnilam::placement {

inline std::optional<std::string_view> valueOf(const NodeKind& kind, std::string_view key) {
  if (key != kModelKey) return valueIn(kind.labels, key);
  if (kind.model.empty()) return std::nullopt;
  return kind.model;
}

// The first rule that `kind` breaks, or none.
inline const LabelRule* firstBroken(std::span<const LabelRule> rules, const NodeKind& kind) {
  for (const LabelRule& rule : rules) {
    if (!rule.holds(valueOf(kind, rule.key))) return &rule;
  }
  return nullptr;
}

}  // namespace alnilam::placement
