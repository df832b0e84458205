// Rules about labels and ways of placement, as text.

#include "core/graph/placing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alnilam {
namespace {

using testing::HasSubstr;

struct Read {
  const char* text;
  const char* shown;  // null: it is refused
};
const Read kRules[] = {
    {"zone=a", "zone in (a)"},
    {"zone == a", "zone in (a)"},
    {" zone != a ", "zone notin (a)"},
    {"zone in (a, b)", "zone in (a, b)"},
    {"zone in(a,b)", "zone in (a, b)"},
    {"zone notin (a)", "zone notin (a)"},
    {"gpu.model in (NVIDIA H100, Tesla T4)", "gpu.model in (NVIDIA H100, Tesla T4)"},
    {"example.com/disk-1=ssd", "example.com/disk-1 in (ssd)"},
    {"zone", nullptr},
    {"zone in", nullptr},
    {"zone in ()", nullptr},
    {"zone in (a", nullptr},
    {"zone in (a,,b)", nullptr},
    {"zone=", nullptr},
    {"zone!a", nullptr},
    {"=a", nullptr},
    {"zo ne=a", nullptr},
    {"", nullptr},
    {"(a)", nullptr},
};

TEST(LabelRule, IsReadAsKubectlDoesAndRefusedByName) {
  for (const Read& row : kRules) {
    Result<LabelRule> rule = LabelRule::parse(row.text);
    ASSERT_EQ(rule.hasValue(), row.shown != nullptr) << row.text;
    if (rule) {
      EXPECT_EQ(show(rule.value()), row.shown) << row.text;
      EXPECT_EQ(LabelRule::parse(show(rule.value())).value(), rule.value()) << row.text;
    } else {
      EXPECT_THAT(rule.error().why, HasSubstr("\"" + std::string(row.text) + "\"")) << row.text;
      EXPECT_THAT(rule.error().why, HasSubstr("zone notin (a, b)")) << row.text;
    }
  }
}

TEST(LabelRule, HoldsOfANodesValueOrItsLack) {
  LabelRule in{"zone", {"a", "b"}, false}, notIn{"zone", {"a"}, true};
  EXPECT_TRUE(in.holds("b"));
  EXPECT_FALSE(in.holds("c"));
  EXPECT_FALSE(in.holds(std::nullopt));
  EXPECT_FALSE(notIn.holds("a"));
  EXPECT_TRUE(notIn.holds("b"));
  EXPECT_TRUE(notIn.holds(std::nullopt));
}

struct Clash {
  std::vector<const char*> rules;
  const char* says;  // null: they can all hold
};
const Clash kClashes[] = {
    {{"zone=a", "zone in (a, b)"}, nullptr},
    {{"zone=a", "disk=b"}, nullptr},
    {{"zone!=a", "zone!=b"}, nullptr},
    {{"zone in (a, b)", "zone!=a"}, nullptr},
    {{"zone=a", "zone=b"}, "zone in (a) contradicts zone in (b)"},
    {{"disk=x", "zone!=a", "zone=a"}, "zone in (a) contradicts zone notin (a)"},
    {{"zone in (a, b)", "zone notin (a, b, c)"}, "zone in (a, b) contradicts zone notin (a, b, c)"},
};

TEST(LabelRule, TwoThatNoNodeCanKeepAreNamed) {
  for (const Clash& row : kClashes) {
    std::vector<LabelRule> rules;
    for (const char* text : row.rules) rules.push_back(LabelRule::parse(text).value());
    EXPECT_EQ(contradiction(rules).value_or(""), row.says ? row.says : "");
  }
  std::vector<LabelRule> none{{"zone", {}, false}};
  EXPECT_EQ(contradiction(none).value_or(""), "zone in () leaves nothing to choose");
}

TEST(Label, IsKeyAndValue) {
  EXPECT_EQ(parseLabel("zone=a").value(), std::pair(std::string("zone"), std::string("a")));
  EXPECT_EQ(parseLabel("path=/a=b c").value().second, "/a=b c");
  for (const char* text : {"zone", "zone=", "=a", "a b=c", "zone=a,b", "zone=(a)", ""}) {
    auto label = parseLabel(text);
    ASSERT_FALSE(label) << text;
    EXPECT_THAT(label.error().why, HasSubstr("key=value")) << text;
  }
  for (const char* text : {"node=n1", "gpu.model=T4"}) {
    EXPECT_THAT(parseLabel(text).error().why, HasSubstr("every node has one by itself")) << text;
  }
  std::vector<std::string> labels{"zone=a", "zones=b"};
  EXPECT_EQ(valueIn(labels, "zone"), "a");
  EXPECT_EQ(valueIn(labels, "zon"), std::nullopt);
}

TEST(Placing, WaysHaveNames) {
  for (const char* text : {"default", "spread", "pack", "locality", "affinity(user 7)"}) {
    Placing placing;
    ASSERT_TRUE(parsePolicy(text, placing)) << text;
    EXPECT_EQ(show(placing.policy, placing.affinity), text);
    EXPECT_EQ(placing.flaw(), "");
  }
  for (const char* text : {"", "best", "affinity", "affinity()", "affinity(x", "Pack"}) {
    Placing placing;
    auto parsed = parsePolicy(text, placing);
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().why, HasSubstr("affinity(KEY)")) << text;
  }
}

TEST(Placing, WhatComesFromOutsideIsHeldToBounds) {
  Placing many;
  many.rules.resize(LabelRule::kMaxRules + 1, {"zone", {"a"}, false});
  EXPECT_THAT(many.flaw(), HasSubstr("33 rules"));
  Placing keyless;
  keyless.policy = PlacementPolicy::affinity;
  EXPECT_THAT(keyless.flaw(), HasSubstr("needs a key"));
  Placing keyed;
  keyed.affinity = "x";
  EXPECT_THAT(keyed.flaw(), HasSubstr("no other policy has one"));
  Placing longKey;
  longKey.apart = std::string(Placing::kMaxKey + 1, 'x');
  EXPECT_THAT(longKey.flaw(), HasSubstr("256 bytes"));
}

}  // namespace
}  // namespace alnilam
