#include "core/api/encode.h"

#include "core/api/errors.h"
#include "core/api/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <complex>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <list>
#include <map>
#include <set>

namespace alnilam {
namespace {

using namespace std::chrono_literals;

enum class Colour : std::uint8_t { red, green };

struct Point {
  float x, y;
  bool operator==(const Point&) const = default;
};
struct Flagged {
  int id;
  bool on;
  bool operator==(const Flagged&) const = default;
};
struct Empty {
  bool operator==(const Empty&) const = default;
};
struct Grid {
  double cells[300];
  char name[16];
};
struct Everything {
  int number = 0;
  std::string text;
  std::vector<Point> points;
  std::map<std::string, std::vector<int>> table;
  std::optional<std::string> maybe;
  std::variant<int, std::string, Point> one;
  std::tuple<int, std::string> pair;
  std::array<std::string, 2> names;
  std::string rows[2];
  std::vector<bool> bits;
  Empty empty;
  Colour colour = Colour::red;
  std::chrono::milliseconds took{};
  bool operator==(const Everything&) const = default;
};
struct Tree {
  int value = 0;
  std::vector<Tree> children;
  bool operator==(const Tree&) const = default;
};
struct NoDefault {
  explicit NoDefault(int given) : value(given) {}
  int value;
  bool operator==(const NoDefault&) const = default;
};
struct HoldsNoDefault {
  NoDefault inner;
  std::string text;
  bool operator==(const HoldsNoDefault&) const = default;
};
class Opaque {
 public:
  Opaque() = default;
  explicit Opaque(int value) : value_(value) {}
  bool operator==(const Opaque&) const = default;

 private:
  int value_ = 0;
};

static_assert(reflect::memberCount<Point>() == 2);
static_assert(reflect::memberCount<Grid>() == 2);
static_assert(reflect::memberCount<Everything>() == 13);
static_assert(reflect::memberCount<HoldsNoDefault>() == 2);
static_assert(Plain<int> && Plain<Colour> && Plain<Point> && Plain<Flagged> && Plain<Grid>);
static_assert(Plain<std::pair<int, float>> && Plain<std::array<Point, 3>> && Plain<std::byte>);
static_assert(Plain<std::complex<double>> && Plain<std::chrono::system_clock::time_point>);
static_assert(!Plain<int*> && !Plain<std::string_view> && !Plain<std::string> && !Plain<Tree>);

}  // namespace

template <>
inline constexpr bool goesAsBytes<Opaque> = true;

template <>
struct Codec<NoDefault> {
  template <typename Out>
  static void write(Out& out, const NoDefault& value) {
    put(out, value.value);
  }
  static NoDefault read(Reader& in) { return NoDefault(take<int>(in)); }
};

namespace {

// `noise` is what the room held before, and must be overwritten.
template <typename T>
std::vector<std::byte> bytesOf(const T& value, std::byte noise = std::byte{0xa5}) {
  std::vector<std::byte> bytes(encodedSize(value), noise);
  encode(value, bytes);
  return bytes;
}

template <typename T>
void expectRoundTrip(const T& value) {
  std::vector<std::byte> bytes = bytesOf(value);
  EXPECT_EQ(decode<T>(bytes), value);
  EXPECT_EQ(bytes, bytesOf(value, std::byte{0x5a})) << "gaps are not filled";
  for (std::size_t cut : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
    std::span<const std::byte> part(bytes.data(), cut);
    EXPECT_THROW(decode<T>(part), BadArgumentsError) << "cut to " << cut;
  }
  bytes.push_back(std::byte{0});
  EXPECT_THROW(decode<T>(bytes), BadArgumentsError) << "a byte too many";
}

TEST(Encode, ScalarsGoRoundTrip) {
  expectRoundTrip(42);
  expectRoundTrip(-1.5);
  expectRoundTrip(true);
  expectRoundTrip('x');
  expectRoundTrip(Colour::green);
  expectRoundTrip(std::uint64_t{1} << 63);
  expectRoundTrip(3ms);
  expectRoundTrip(std::chrono::system_clock::time_point(7s));
  expectRoundTrip(std::complex<float>(1, 2));
}

TEST(Encode, ContainersGoRoundTrip) {
  expectRoundTrip(std::string());
  expectRoundTrip(std::string("hello"));
  expectRoundTrip(std::string(10'000, 'x'));
  expectRoundTrip(std::u16string(u"hello"));
  expectRoundTrip(std::vector<int>{});
  expectRoundTrip(std::vector<int>{1, 2, 3});
  expectRoundTrip(std::vector<double>(10'000, 1.5));
  expectRoundTrip(std::vector<std::string>{"a", "", std::string(5'000, 'b')});
  expectRoundTrip(std::vector<std::vector<float>>{{1}, {}, std::vector<float>(1'000, 2)});
  expectRoundTrip(std::vector<bool>{true, false, true, true, false, false, true, true, true});
  expectRoundTrip(std::vector<Flagged>{{1, true}, {2, false}});
  expectRoundTrip(std::deque<int>{1, 2, 3});
  expectRoundTrip(std::list<std::string>{"a", "b"});
  expectRoundTrip(std::set<std::string>{"a", "b"});
  expectRoundTrip(std::multiset<int>{1, 1, 2});
  expectRoundTrip(std::map<int, std::string>{{1, "a"}, {2, "b"}});
  expectRoundTrip(std::multimap<int, std::string>{{1, "a"}, {1, "b"}});
  expectRoundTrip(std::array<int, 3>{1, 2, 3});
  expectRoundTrip(std::array<std::string, 2>{"a", "b"});
  expectRoundTrip(std::array<int, 0>{});
  expectRoundTrip(std::pair<int, std::string>{1, "a"});
  expectRoundTrip(std::tuple<int, std::string, std::vector<int>>{1, "a", {2}});
  expectRoundTrip(std::tuple<>{});
  expectRoundTrip(std::optional<int>{});
  expectRoundTrip(std::optional<std::string>{"a"});
  expectRoundTrip(std::variant<std::monostate, int, std::string>{"a"});
  expectRoundTrip(std::variant<std::monostate, int, std::string>{});
  expectRoundTrip(std::filesystem::path("/usr/share/doc"));
}

TEST(Encode, StructsGoRoundTripWithoutMacros) {
  expectRoundTrip(Point{1, 2});
  expectRoundTrip(Flagged{1, true});
  expectRoundTrip(Empty{});
  expectRoundTrip(std::vector<Empty>(3));
  expectRoundTrip(Everything{});
  Everything all{1,   "text",   {{1, 2}, {3, 4}},  {{"a", {1, 2}}, {"b", {}}},
                 "m", Point{5, 6}, {7, "seven"},  {"n0", "n1"},
                 {"r0", "r1"}, {true, false}, {}, Colour::green, 8ms};
  expectRoundTrip(all);
  expectRoundTrip(std::vector{all, Everything{}, all});
  expectRoundTrip(Tree{1, {{2, {}}, {3, {{4, {}}}}}});
  Grid grid{};
  grid.cells[299] = 1.5;
  Grid again = decode<Grid>(bytesOf(grid));
  EXPECT_EQ(again.cells[299], 1.5);
}

TEST(Encode, ClassesOfOnesOwnTakePart) {
  expectRoundTrip(Opaque(3));
  expectRoundTrip(std::vector<Opaque>{Opaque(3), Opaque(4)});
  expectRoundTrip(NoDefault(3));
  expectRoundTrip(HoldsNoDefault{NoDefault(3), "text"});
  expectRoundTrip(std::vector<NoDefault>{NoDefault(1), NoDefault(2)});
}

TEST(Encode, UniquePointersCarryTheirValue) {
  auto bytes = bytesOf(std::make_unique<std::string>("a"));
  EXPECT_EQ(*decode<std::unique_ptr<std::string>>(bytes), "a");
  EXPECT_EQ(decode<std::unique_ptr<std::string>>(bytesOf(std::unique_ptr<std::string>())), nullptr);
}

TEST(Encode, AnArrayObjectHasItsElementsWhereTheLayoutSays) {
  for (std::size_t n : {0u, 1u, 8u, 9u, 1'000u}) {
    std::vector<float> values(n, 1.5f);
    std::vector<std::byte> bytes = bytesOf(values);
    ArrayLayout layout = arrayLayout(sizeof(float), n);
    ASSERT_EQ(bytes.size(), layout.total);
    EXPECT_EQ(layout.offset, n <= 8 ? 8u : 64u);
    EXPECT_TRUE(std::equal(values.begin(), values.end(),
                           reinterpret_cast<const float*>(bytes.data() + layout.offset)));
    ArrayPart part = readArray(bytes, sizeof(float));
    EXPECT_EQ(part.count, n);
    EXPECT_EQ(part.offset, layout.offset);
  }
}

TEST(Encode, AnArrayWrittenByAnotherHandDecodes) {
  ArrayLayout layout = arrayLayout(sizeof(int), 100);
  std::vector<std::byte> object(layout.total, std::byte{0xa5});
  writeArrayHeader(object, sizeof(int), 100);
  for (int i = 0; i < 100; ++i) std::memcpy(object.data() + layout.offset + 4 * i, &i, sizeof i);
  std::vector<int> values = decode<std::vector<int>>(object);
  EXPECT_EQ(values.size(), 100u);
  EXPECT_EQ(values[99], 99);
}

TEST(Encode, AnArrayOfAnotherElementSizeIsRefused) {
  EXPECT_THROW(decode<std::vector<double>>(bytesOf(std::vector<float>(100))), BadArgumentsError);
  EXPECT_THROW(decode<std::vector<char>>(bytesOf(std::vector<float>(100))), BadArgumentsError);
}

TEST(Encode, LargeRunsLieAlignedBehindTheBody) {
  struct Two {
    std::vector<float> first;
    std::string name;
    std::vector<double> second;
  };
  Two two{std::vector<float>(1'000, 1.f), "n", std::vector<double>(1'000, 2.)};
  Plan plan = planOf(two);
  EXPECT_LT(plan.body, 64u);
  EXPECT_EQ(plan.total(), 64 + 4'000 + 32 + 8'000u);
  std::vector<std::byte> bytes = bytesOf(two);
  EXPECT_EQ(std::memcmp(bytes.data() + 64, two.first.data(), 4'000), 0);
  EXPECT_EQ(std::memcmp(bytes.data() + 4'096, two.second.data(), 8'000), 0);
}

TEST(Encode, MisalignedBytesDecode) {
  std::vector<double> values(100, 1.5);
  std::vector<std::byte> bytes = bytesOf(values);
  std::vector<std::byte> shifted(bytes.size() + 1);
  std::memcpy(shifted.data() + 1, bytes.data(), bytes.size());
  std::span<const std::byte> object(shifted.data() + 1, bytes.size());
  EXPECT_EQ(decode<std::vector<double>>(object), values);
  EXPECT_EQ(View<const double>::over(object, nullptr).copy(), values);
}

TEST(Encode, MalformedBytesAreRefused) {
  auto bytes = [](std::initializer_list<int> list) {
    std::vector<std::byte> made;
    for (int b : list) made.push_back(static_cast<std::byte>(b));
    return made;
  };
  using Strings = std::vector<std::string>;
  using Choice = std::variant<int, char>;
  EXPECT_THROW(decode<bool>(bytes({2})), BadArgumentsError);
  EXPECT_THROW(decode<Flagged>(bytes({1, 0, 0, 0, 2, 0, 0, 0})), BadArgumentsError);
  EXPECT_THROW(decode<std::optional<int>>(bytes({2})), BadArgumentsError);
  EXPECT_THROW(decode<Choice>(bytes({2, 0})), BadArgumentsError);
  EXPECT_THROW(decode<Strings>(bytes({0xff, 0xff, 0xff, 0xff, 0x7f})), BadArgumentsError);
  std::vector<std::byte> most(9, std::byte{0xff});  // a length of 2^64 - 1
  most.push_back(std::byte{1});
  EXPECT_THROW(decode<std::string>(most), BadArgumentsError);
  // A length of one character, and 2^64 on top.
  auto more = bytes({0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2, 97});
  EXPECT_THROW(decode<std::string>(more), BadArgumentsError);
  EXPECT_THROW(decode<std::vector<bool>>(bytes({0xff, 0xff, 0xff, 0x7f})), BadArgumentsError);
}

TEST(Encode, BlocksCannotOverlap) {
  // Arrange: three strings, each in a block of its own; the second names the first's place
  std::vector<std::string> three(3, std::string(600, 'a'));
  std::vector<std::byte> bytes = bytesOf(three);
  ASSERT_EQ(decode<std::vector<std::string>>(bytes), three);
  std::uint64_t first = 64;
  std::memcpy(bytes.data() + 1 + 2 + 8 + 2, &first, sizeof first);
  // Act and assert
  EXPECT_THROW(decode<std::vector<std::string>>(bytes), BadArgumentsError);
}

TEST(Encode, NothingHidesBetweenBodyAndBlocks) {
  // Arrange: a string whose block begins 64 bytes later than it should
  std::vector<std::byte> bytes = bytesOf(std::string(600, 'a'));
  bytes.insert(bytes.begin() + 64, 64, std::byte{0});
  std::uint64_t place = 128;
  std::memcpy(bytes.data() + 2, &place, sizeof place);
  // Act and assert
  EXPECT_THROW(decode<std::string>(bytes), BadArgumentsError);
}

TEST(Encode, ValuesNestedTooDeepAreRefusedBothWays) {
  // Arrange
  Tree root{0, {}};
  for (int i = 0; i < kMaxDepth; ++i) {
    Tree next{i, {}};
    next.children.push_back(std::move(root));
    root = std::move(next);
  }
  std::vector<std::byte> deep;  // value 0, one child, and so on
  for (int i = 0; i < 100'000; ++i) {
    for (int b : {0, 0, 0, 0, 1}) deep.push_back(static_cast<std::byte>(b));
  }
  // Act and assert
  EXPECT_THROW(encodedSize(root), InvalidError);
  EXPECT_THROW(decode<Tree>(deep), BadArgumentsError);
  expectRoundTrip(root.children[0]);
}

TEST(View, ShowsWhatAVectorHolds) {
  std::vector<int> values{3, 1, 2};
  View<const int> view = View<const int>::over(Blob::copyOf(bytesOf(values)));
  View<const int> moved = std::move(view);
  EXPECT_EQ(std::vector<int>(moved.begin(), moved.end()), values);
  std::span<const int> span = moved;
  EXPECT_EQ(span.size(), 3u);
  EXPECT_EQ(moved.front() + moved.back(), 5);
  EXPECT_TRUE(View<const int>().empty());
}

}  // namespace
}  // namespace alnilam
