#pragma once
// Which nodes may run a task at all, by their labels.
//
// A node has labels, each a key and a value; beside those that its operator gave it, "node" is its
// name and "gpu.model" the model of its devices.  A rule names a key and values: the node's value
// must be one of them, or (`excluded`) none of them.  A node has at most one value for a key;
// without one it passes only rules that exclude.  All rules of a task must hold.
//
// As text, kubectl's way: "zone=a", "zone!=a", "zone in (a, b)", "zone notin (a, b)".

#include "core/base/error.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace alnilam {

inline constexpr std::string_view kNodeKey = "node";
inline constexpr std::string_view kModelKey = "gpu.model";

struct LabelRule {
  std::string key;
  std::vector<std::string> values;
  bool excluded = false;

  auto operator<=>(const LabelRule&) const = default;

  bool names(std::string_view value) const;
  // Of a node with that value for the key, or none.
  bool holds(std::optional<std::string_view> value) const {
    return excluded != (value && names(*value));
  }

  // Refuses (invalid, naming the text and what would do) what is none.
  static Result<LabelRule> parse(std::string_view text);

  static constexpr std::size_t kMaxValues = 256;
  static constexpr std::size_t kMaxRules = 32;  // of a task
};

// "zone in (a, b)", "zone notin (a)".
std::string show(const LabelRule& rule);

// Names two rules that no node can keep both, if there are such: "zone in (a) contradicts zone in
// (b)".  A rule for which no value is left ("zone in ()") contradicts itself.
std::optional<std::string> contradiction(std::span<const LabelRule> rules);

// A label is "key=value".  Keys have 1 to 64 bytes, letters, digits and "._/-"; values 1 to 256,
// no line breaks, commas or parentheses.
inline constexpr std::size_t kMaxLabelKey = 64;
inline constexpr std::size_t kMaxLabelValue = 256;

// Refuses (invalid) what is no label, and keys that nodes have by themselves.
Result<std::pair<std::string, std::string>> parseLabel(std::string_view text);

// The value that `labels`, of the form "key=value", have for the key.
std::optional<std::string_view> valueIn(std::span<const std::string> labels, std::string_view key);

}  // namespace alnilam
