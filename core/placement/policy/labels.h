#pragma once
// Which kinds of nodes may run a task at all: by the labels of the nodes and the model of their
// devices.
//
// A rule names a key and values: the node's value must be one of them, or (`excluded`) none of
// them.  A node has at most one value for a key; without one it passes only rules that exclude.
// All rules of a task must hold.  The key "gpu.model" speaks of the kind's devices.
//
// Rules are looked at once for a kind and a set of rules, never for a task.

#include "core/placement/node_state.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace alnilam::placement {

inline constexpr std::string_view kModelKey = "gpu.model";

struct LabelRule {
  std::string key;
  std::vector<std::string> values;
  bool excluded = false;

  auto operator<=>(const LabelRule&) const = default;
};

// "zone in {a, b}", "zone not in {a}".
inline std::string show(const LabelRule& rule) {
  std::string text = rule.key + (rule.excluded ? " not in {" : " in {");
  for (std::size_t i = 0; i < rule.values.size(); ++i) text += (i ? ", " : "") + rule.values[i];
  return text + "}";
}

inline std::optional<std::string_view> valueOf(const NodeKind& kind, std::string_view key) {
  if (key == kModelKey) {
    if (kind.model.empty()) return std::nullopt;
    return kind.model;
  }
  for (const std::string& label : kind.labels) {
    std::string_view text = label;
    if (text.size() > key.size() && text.substr(0, key.size()) == key && text[key.size()] == '=') {
      return text.substr(key.size() + 1);
    }
  }
  return std::nullopt;
}

inline bool names(const LabelRule& rule, std::string_view value) {
  return std::any_of(rule.values.begin(), rule.values.end(),
                     [value](const std::string& one) { return one == value; });
}

inline bool holds(const LabelRule& rule, const NodeKind& kind) {
  std::optional<std::string_view> value = valueOf(kind, rule.key);
  return rule.excluded != (value && names(rule, *value));
}

// The first rule that `kind` breaks, or none.
inline const LabelRule* firstBroken(std::span<const LabelRule> rules, const NodeKind& kind) {
  for (const LabelRule& rule : rules) {
    if (!holds(rule, kind)) return &rule;
  }
  return nullptr;
}

// Names two rules that no node can keep both, if there are such: "zone in {a} contradicts zone in
// {b}".  A rule for which no value is left ("zone in {}") contradicts itself.
inline std::optional<std::string> contradiction(std::span<const LabelRule> rules) {
  auto clash = [](const LabelRule& a, const LabelRule& b) {
    if (a.key != b.key || a.excluded) return false;
    return std::none_of(a.values.begin(), a.values.end(), [&b](const std::string& value) {
      return names(b, value) != b.excluded;
    });
  };
  for (const LabelRule& a : rules) {
    if (!a.excluded && a.values.empty()) return show(a) + " leaves nothing to choose";
    for (const LabelRule& b : rules) {
      if (&a != &b && clash(a, b)) return show(a) + " contradicts " + show(b);
    }
  }
  return std::nullopt;
}

}  // namespace alnilam::placement
