#include "core/graph/label_rule.h"

#include <algorithm>
#include <cctype>

namespace alnilam {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool isKey(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLabelKey &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '.' || c == '_' || c == '/' || c == '-';
         });
}

bool isValue(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLabelValue &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) {
           return c < ' ' || c == ',' || c == '(' || c == ')';
         });
}

Refusal noRule(std::string_view text) {
  return {RefusalCode::invalid, "\"" + std::string(text.substr(0, kMaxLabelValue)) +
                                    "\" is no rule about labels; rules are \"zone=a\", "
                                    "\"zone!=a\", \"zone in (a, b)\", \"zone notin (a, b)\""};
}

}  // namespace

bool LabelRule::names(std::string_view value) const {
  return std::find(values.begin(), values.end(), value) != values.end();
}

Result<LabelRule> LabelRule::parse(std::string_view text) {
  LabelRule rule;
  std::string_view rest = trimmed(text);
  std::size_t end = rest.find_first_of(" =!(");
  if (end == std::string_view::npos) return noRule(text);
  rule.key = std::string(rest.substr(0, end));
  rest = trimmed(rest.substr(end));
  if (!isKey(rule.key)) return noRule(text);
  if (rest.front() == '=' || rest.starts_with("!=")) {
    rule.excluded = rest.front() == '!';
    rest = trimmed(rest.substr(rule.excluded ? 2 : 1));
    if (rest.starts_with('=')) rest = trimmed(rest.substr(1));  // "zone==a" is as good
    if (!isValue(rest)) return noRule(text);
    rule.values.emplace_back(rest);
    return rule;
  }
  if (rest.starts_with("notin")) rule.excluded = true;
  else if (!rest.starts_with("in")) return noRule(text);
  rest = trimmed(rest.substr(rule.excluded ? 5 : 2));
  if (rest.size() < 2 || rest.front() != '(' || rest.back() != ')') return noRule(text);
  rest = rest.substr(1, rest.size() - 2);
  while (true) {
    std::size_t comma = rest.find(',');
    std::string_view value = trimmed(rest.substr(0, comma));
    if (!isValue(value) || rule.values.size() >= kMaxValues) return noRule(text);
    rule.values.emplace_back(value);
    if (comma == std::string_view::npos) return rule;
    rest = rest.substr(comma + 1);
  }
}

std::string show(const LabelRule& rule) {
  std::string text = rule.key + (rule.excluded ? " notin (" : " in (");
  for (std::size_t i = 0; i < rule.values.size(); ++i) text += (i ? ", " : "") + rule.values[i];
  return text + ")";
}

std::optional<std::string> contradiction(std::span<const LabelRule> rules) {
  auto clash = [](const LabelRule& a, const LabelRule& b) {
    if (a.key != b.key || a.excluded) return false;
    return std::none_of(a.values.begin(), a.values.end(), [&b](const std::string& value) {
      return b.names(value) != b.excluded;
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

Result<std::pair<std::string, std::string>> parseLabel(std::string_view text) {
  std::size_t equals = text.find('=');
  std::string key(text.substr(0, std::min(equals, text.size())));
  std::string value(equals == std::string_view::npos ? "" : text.substr(equals + 1));
  if (!isKey(key) || !isValue(value)) {
    return Refusal{RefusalCode::invalid,
                   "\"" + std::string(text.substr(0, kMaxLabelValue)) +
                       "\" is no label; a label is key=value, such as zone=a: a key of at most 64 "
                       "letters, digits and ._/-, a value of at most 256 bytes without commas and "
                       "parentheses"};
  }
  if (key == kNodeKey || key == kModelKey) {
    return Refusal{RefusalCode::invalid,
                   "the label " + key + " cannot be given: every node has one by itself"};
  }
  return std::pair(std::move(key), std::move(value));
}

std::optional<std::string_view> valueIn(std::span<const std::string> labels,
                                        std::string_view key) {
  for (std::string_view label : labels) {
    if (label.size() > key.size() && label.starts_with(key) && label[key.size()] == '=') {
      return label.substr(key.size() + 1);
    }
  }
  return std::nullopt;
}

}  // namespace alnilam
