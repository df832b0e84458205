#include "core/graph/placing.h"

#include <algorithm>

namespace alnilam {
namespace {

constexpr std::pair<PlacementPolicy, std::string_view> kNames[] = {
    {PlacementPolicy::standard, "default"},
    {PlacementPolicy::spread, "spread"},
    {PlacementPolicy::pack, "pack"},
    {PlacementPolicy::locality, "locality"},
};

}  // namespace

std::string Placing::flaw() const {
  if (rules.size() > LabelRule::kMaxRules) {
    return std::to_string(rules.size()) + " rules about labels, at most " +
           std::to_string(LabelRule::kMaxRules) + " are allowed";
  }
  if (affinity.size() > kMaxKey || apart.size() > kMaxKey) {
    return "a key of placement has more than " + std::to_string(kMaxKey) + " bytes";
  }
  if ((policy == PlacementPolicy::affinity) == affinity.empty()) {
    return "the policy affinity needs a key, and no other policy has one";
  }
  return contradiction(rules).value_or("");
}

std::string show(PlacementPolicy policy, std::string_view key) {
  if (policy == PlacementPolicy::affinity) return "affinity(" + std::string(key) + ")";
  for (auto& [one, name] : kNames) {
    if (one == policy) return std::string(name);
  }
  return "unknown";
}

Result<bool> parsePolicy(std::string_view text, Placing& into) {
  constexpr std::string_view kAffinity = "affinity(";
  if (text.starts_with(kAffinity) && text.ends_with(')')) {
    std::string_view key = text.substr(kAffinity.size(), text.size() - kAffinity.size() - 1);
    if (!key.empty() && key.size() <= Placing::kMaxKey) {
      into.policy = PlacementPolicy::affinity;
      into.affinity = std::string(key);
      return true;
    }
  }
  for (auto& [one, name] : kNames) {
    if (name != text) continue;
    into.policy = one;
    into.affinity.clear();
    return true;
  }
  return Refusal{RefusalCode::invalid,
                 "\"" + std::string(text.substr(0, Placing::kMaxKey)) +
                     "\" is no way of placement; there are default, spread, pack, locality and "
                     "affinity(KEY)"};
}

}  // namespace alnilam
