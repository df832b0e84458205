#include "core/graph/failure.h"

#include <gtest/gtest.h>

namespace alnilam {
namespace {

TEST(CleanMessage, KeepsTextAndReplacesWhatIsNot) {
  struct Case {
    const char* given;
    const char* want;
  };
  const Case kCases[] = {
      {"", ""},
      {"plain", "plain"},
      {"\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80"},
      {"a\xff z", "a? z"},
      {"cut \xe2\x82", "cut ??"},
      {"long form \xc0\xaf", "long form ??"},
      {"surrogate \xed\xa0\x80", "surrogate ???"},
  };
  for (const Case& c : kCases) EXPECT_EQ(cleanMessage(c.given), c.want);
}

TEST(CleanMessage, CutsAtACharactersEnd) {
  std::string text(Failure::kMaxMessage - 1, 'x');
  std::string cut = cleanMessage(text + "\xc3\xbc!");
  EXPECT_EQ(cut, text);
  EXPECT_EQ(cleanMessage(text + "yz"), text + "y");
}

TEST(FailureName, IsWhatPeopleRead) {
  EXPECT_STREQ(name(FailureKind::objectLost), "objectLost");
  EXPECT_STREQ(name(FailureKind::exception), "exception");
}

}  // namespace
}  // namespace alnilam
