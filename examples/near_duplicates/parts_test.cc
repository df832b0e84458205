// The arithmetic of the example: shingles, signatures, groups, and what gets printed.

#include "groups.h"
#include "report.h"
#include "shingles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <locale>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace near_duplicates {
namespace {

std::string words(std::size_t count, std::mt19937_64& random) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += "w" + std::to_string(random() % 5000) + " ";
  return text;
}

// Shingles as strings, the simple way.
std::set<std::string> plainShingles(const std::string& text) {
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  std::vector<std::string> cut;
  for (std::string word; in >> word;) cut.push_back(word);
  std::set<std::string> shingles;
  std::size_t length = std::min<std::size_t>(5, cut.size());
  std::size_t count = cut.size() < 5 ? 1 : cut.size() - 4;
  for (std::size_t first = 0; first < count; ++first) {
    std::string shingle;
    for (std::size_t i = 0; i < length; ++i) shingle += cut[first + i] + " ";
    shingles.insert(shingle);
  }
  return shingles;
}

double exactSimilarity(const std::string& left, const std::string& right) {
  std::set<std::string> a = plainShingles(left), b = plainShingles(right);
  std::size_t both = 0;
  for (const std::string& shingle : a) both += b.count(shingle);
  return static_cast<double>(both) / static_cast<double>(a.size() + b.size() - both);
}

TEST(Shingles, AreFiveWordsAndWhiteSpaceDoesNotMatter) {
  struct Case { const char* text; std::size_t count; };
  const Case kCases[] = {
    {"", 1}, {"  \n", 1}, {"one", 1}, {"one two three four", 1}, {"a b c d e", 1},
    {"a b c d e f", 2}, {"a a a a a a a a", 1}, {"a b c d e a b c d e", 5},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(shinglesOf(c.text).size(), c.count);
    EXPECT_EQ(plainShingles(c.text).size(), c.count);
  }
  EXPECT_EQ(shinglesOf("a b c d e f"), shinglesOf("\ta\nb  c\v\fd\r\ne f\n"));
}

TEST(Shingles, TellOrderCaseAndLengthApart) {
  const char* kTexts[] = {"a b c d e", "e d c b a", "A b c d e", "a b c d", "abcde", "", "a b de"};
  for (const char* left : kTexts) {
    for (const char* right : kTexts) {
      EXPECT_EQ(shinglesOf(left) == shinglesOf(right), left == right) << left << " | " << right;
    }
  }
}

TEST(Similar, IsExactAtTheThreshold) {
  // Arrange: 7 of 100 in common, which 0.07 * 100 > 7 in doubles would miss.
  std::vector<std::uint64_t> left, right;
  for (std::uint64_t i = 0; i < 50; ++i) left.push_back(i);
  for (std::uint64_t i = 43; i < 100; ++i) right.push_back(i);
  // Act and assert
  EXPECT_TRUE(similar(left, right, 0.07));
  EXPECT_FALSE(similar(left, right, std::nextafter(0.07, 1.0)));
  EXPECT_TRUE(similar(left, left, 1.0));
  EXPECT_FALSE(similar(left, right, 1.0));
  EXPECT_TRUE(similar(left, right, 0.0));
}

TEST(Signature, SharesValuesInProportionToSimilarity) {
  std::mt19937_64 random(7);
  for (double keep : {0.0, 0.5, 0.8, 0.95, 1.0}) {
    double estimated = 0, exact = 0;
    constexpr int kPairs = 60;
    for (int pair = 0; pair < kPairs; ++pair) {
      // Arrange: a text, and one that shares about `keep` of it, cut at one place.
      auto head = words(static_cast<std::size_t>(400 * keep), random);
      auto rest = static_cast<std::size_t>(400 * (1 - keep) / 2);
      std::string left = head + words(rest, random), right = head + words(rest, random);
      // Act
      Signature a = signatureOf(shinglesOf(left)), b = signatureOf(shinglesOf(right));
      for (std::size_t k = 0; k < kSignatureValues; ++k) estimated += a[k] == b[k];
      exact += exactSimilarity(left, right);
    }
    // Assert: 60 * 128 draws, four standard deviations of at most 0.0057.
    EXPECT_NEAR(estimated / (kPairs * kSignatureValues), exact / kPairs, 0.023) << keep;
  }
}

// The chance that a pair at `threshold` agrees in fewer than `bound` values, summed naively.
double missChance(std::uint32_t bound, double threshold) {
  double sum = 0;
  for (std::uint32_t k = 0; k < bound; ++k) {
    sum += std::exp(std::lgamma(129.0) - std::lgamma(k + 1.0) - std::lgamma(129.0 - k) +
                    k * std::log(threshold) + (128.0 - k) * std::log(1 - threshold));
  }
  return sum;
}

TEST(CandidateBound, MissesLessThanOneInAMillionAndIsTheHighestToDoSo) {
  for (double threshold : {0.05, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99}) {
    std::uint32_t bound = candidateBound(threshold);
    EXPECT_LT(missChance(bound, threshold), 1e-6) << threshold;
    EXPECT_GE(missChance(bound + 1, threshold), 1e-6) << threshold;
  }
  EXPECT_EQ(candidateBound(1.0), 128u);
  EXPECT_EQ(candidateBound(0.0), 0u);
  EXPECT_EQ(candidateBound(0.8), 79u);
}

TEST(Groups, JoinWhatLinksConnectWhateverTheirOrder) {
  // Arrange
  std::vector<Link> links = {{5, 4}, {1, 3}, {4, 9}, {3, 1}, {9, 5}, {7, 7}};
  std::vector<std::vector<std::uint32_t>> want = {{1, 3}, {4, 5, 9}};
  // Act and assert: each order, and any forest of it, says the same.
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::shuffle(links.begin(), links.end(), random);
    EXPECT_EQ(groupsOf(10, links), want);
    std::vector<Link> forest = forestOf(links);
    EXPECT_EQ(forest.size(), 3u);
    EXPECT_EQ(groupsOf(10, forest), want);
  }
  EXPECT_TRUE(groupsOf(3, {}).empty());
}

TEST(Json, EscapesWhatPathsMayHold) {
  std::ostringstream out;
  writeJson(out, {{"a\"b\\c", "tab\there", "\xc3\xa9 \xff\xc0\x80 \xed\xa0\x80"}, {"x", "y"}});
  EXPECT_EQ(out.str(),
            "{\"groups\": [[\"a\\\"b\\\\c\", \"tab\\u0009here\", \"\xc3\xa9 "
            "\\ufffd\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd\"], [\"x\", \"y\"]]}\n");
  std::ostringstream none;
  writeJson(none, {});
  EXPECT_EQ(none.str(), "{\"groups\": []}\n");
}

TEST(Tables, LineUpAndNameWhatIsEmulated) {
  std::ostringstream groups, usage;
  writeGroups(groups, {{"a", "b\n"}, {"long/path", "z"}}, 9);
  std::vector<UsageLine> lines = {{"node-1", "cpu", 12, 0.5, 1536, "posix, cma"},
                                  {"node-1", "gpu0 A100 [emulated]", 3, 1.25, 0, ""}};
  writeUsage(usage, lines);
  EXPECT_EQ(groups.str(),
            "GROUP  FILES  PATH\n1      2      a\n              b?\n2      2      long/path\n"
            "              z\n4 of 9 files are in 2 groups of near duplicates\n");
  EXPECT_EQ(usage.str(),
            "NODE    DEVICE                TASKS  BUSY     MOVED    LANE\n"
            "node-1  cpu                   12     0.500 s  1.5 KiB  posix, cma\n"
            "node-1  gpu0 A100 [emulated]  3      1.250 s  -        -\n");
  EXPECT_EQ(bytesForPeople(0), "0 B");
  EXPECT_EQ(bytesForPeople(std::uint64_t{5} << 30), "5.0 GiB");
}

TEST(ProgressBar, DrawsOnATerminalOnlyAndCleansUp) {
  std::ostringstream terminal, file;
  {
    ProgressBar bar(terminal, true), none(file, false);
    bar.show("comparing", 1, 2);
    none.show("comparing", 1, 2);
  }
  EXPECT_EQ(file.str(), "");
  EXPECT_EQ(terminal.str(),
            "\r[###############...............] comparing 1/2\x1b[K\r\x1b[K");
}

}  // namespace
}  // namespace near_duplicates
