#include "transport/rpc/secret.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace alnilam::rpc {
namespace {

using testing::HasSubstr;

class SecretFile : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/alnilam-secret-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/here/secret";
  }
  void TearDown() override {
    ::unlink(path_.c_str());
    ::rmdir((folder_ + "/here").c_str());
    ::rmdir(folder_.c_str());
  }
  void put(const std::string& text, unsigned mode) {
    ::mkdir((folder_ + "/here").c_str(), 0700);
    std::ofstream(path_) << text;
    ::chmod(path_.c_str(), mode);
  }

  std::string folder_, path_;
};

TEST_F(SecretFile, IsMadeOnceAndFoundAgain) {
  auto made = readOrMakeSecret(path_);
  auto again = readOrMakeSecret(path_);
  auto read = readSecret(path_);

  ASSERT_TRUE(made.hasValue()) << made.error().why;
  ASSERT_TRUE(read.hasValue());
  EXPECT_EQ(made.value(), again.value());
  EXPECT_EQ(made.value(), read.value());
  EXPECT_NE(made.value(), Secret{}) << "32 zero bytes are not random";
  struct stat facts{};
  ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(SecretFile, OneThatIsMissingIsNamed) {
  auto got = readSecret(path_);
  ASSERT_FALSE(got.hasValue());
  EXPECT_EQ(got.error().code, RefusalCode::unavailable);
  EXPECT_THAT(got.error().why, HasSubstr(path_));
}

TEST_F(SecretFile, OneThatIsNoSecretIsRefusedAndLeftAlone) {
  const std::string good(64, 'a');
  struct Row { std::string text; unsigned mode; RefusalCode code; const char* why; };
  const Row rows[] = {
    {good, 0640, RefusalCode::notAllowed, "by others"},
    {good, 0602, RefusalCode::notAllowed, "by others"},
    {"", 0600, RefusalCode::invalid, "64 hex digits"},
    {good.substr(1), 0600, RefusalCode::invalid, "64 hex digits"},
    {good + "a", 0600, RefusalCode::invalid, "64 hex digits"},
    {std::string(64, 'g'), 0600, RefusalCode::invalid, "64 hex digits"},
    {std::string(10'000, 'a'), 0600, RefusalCode::invalid, "64 hex digits"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text.substr(0, 70));
    put(row.text, row.mode);
    auto got = readOrMakeSecret(path_);
    ASSERT_FALSE(got.hasValue());
    EXPECT_EQ(got.error().code, row.code);
    EXPECT_THAT(got.error().why, HasSubstr(row.why));
    EXPECT_THAT(got.error().why, HasSubstr(path_));
    EXPECT_THAT(got.error().why, testing::Not(HasSubstr(good)));
    std::ifstream kept(path_);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(kept), {}), row.text);
    ::unlink(path_.c_str());
  }
}

TEST_F(SecretFile, AFolderIsNotASecret) {
  auto got = readSecret(folder_);
  ASSERT_FALSE(got.hasValue());
  EXPECT_THAT(got.error().why, HasSubstr("is not a file"));
}

TEST(SecretText, MayHaveSpaceAroundAndCapitals) {
  auto got = parseSecret("  " + std::string(62, 'A') + "0f\r\n");
  ASSERT_TRUE(got.hasValue());
  EXPECT_EQ(got.value().bytes[0], 0xaa);
  EXPECT_EQ(got.value().bytes[31], 0x0f);
}

TEST(SecretPath, IsInTheRuntimeDirectoryElseAtHome) {
  EXPECT_EQ(defaultSecretPath("/run/user/1", "/home/u").value(), "/run/user/1/alnilam/secret");
  EXPECT_EQ(defaultSecretPath("", "/home/u").value(), "/home/u/.alnilam/secret");
  EXPECT_FALSE(defaultSecretPath("", "").hasValue());
}

}  // namespace
}  // namespace alnilam::rpc
