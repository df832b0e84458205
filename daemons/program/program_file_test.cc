#include "daemons/program/program_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

namespace alnilam {
namespace {

namespace fs = std::filesystem;

class ProgramFileTest : public testing::Test {
 protected:
  ProgramFileTest() {
    std::string pattern = testing::TempDir() + "program-file-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    source_ = directory_ + "-source";
    std::ofstream(source_) << bytes_;
    identity_ = identify(source_).value();
  }
  ~ProgramFileTest() override {
    fs::remove_all(directory_);
    fs::remove(source_);
  }

  ProgramFile receive() { return ProgramFile::receive(directory_, identity_).value(); }
  static std::span<const std::byte> part(const std::string& text) {
    return std::as_bytes(std::span(text));
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }
  std::string whole() const { return ProgramFile::pathOf(directory_, identity_.hash); }

  const std::string bytes_ = "#!/bin/sh\nexit 0\n";
  std::string directory_, source_;
  ProgramIdentity identity_;
};

TEST_F(ProgramFileTest, AnIdentityIsTheSha256AndTheSize) {
  EXPECT_EQ(identity_.size, bytes_.size());
  EXPECT_TRUE(isHash(identity_.hash));
  std::ofstream(source_) << "abc";
  EXPECT_EQ(identify(source_).value().hash,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_FALSE(identify("/nowhere/program"));
}

TEST_F(ProgramFileTest, OnlyLowerCaseHexOf64DigitsIsAHash) {
  for (const char* text : {"", "../../etc/passwd", "ab"}) EXPECT_FALSE(isHash(text)) << text;
  EXPECT_FALSE(isHash(std::string(64, 'A')));
  EXPECT_FALSE(isHash(std::string(63, 'a') + "/"));
  EXPECT_FALSE(isHash(std::string(65, 'a')));
  EXPECT_TRUE(isHash(std::string(64, 'a')));
}

TEST_F(ProgramFileTest, BytesThatCameInPartsCanBeExecutedUnderTheirHash) {
  ProgramFile file = receive();
  EXPECT_TRUE(file.append(part(bytes_.substr(0, 5))));
  EXPECT_FALSE(file.whole());
  EXPECT_FALSE(fs::exists(whole()));
  EXPECT_TRUE(file.append(part(bytes_.substr(5))));

  EXPECT_TRUE(file.whole());
  EXPECT_EQ(readPart(whole(), 0, 1000), bytes_);
  EXPECT_EQ(readPart(whole(), 10, 4), bytes_.substr(10, 4));
  EXPECT_EQ(readPart(whole(), 1000, 4), "");
  EXPECT_EQ(system(whole().c_str()), 0);
}

TEST_F(ProgramFileTest, AnotherHashIsRefusedAndLeavesNoFile) {
  {
    ProgramFile file = receive();
    auto refused = file.append(part(std::string(bytes_.size(), 'x')));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, RefusalCode::invalid);
    EXPECT_NE(refused.error().why.find(identity_.hash), std::string::npos);
    EXPECT_FALSE(file.whole());
  }
  EXPECT_EQ(files(), 0u);
}

TEST_F(ProgramFileTest, MoreThanWasAnnouncedIsRefused) {
  {
    ProgramFile file = receive();
    EXPECT_FALSE(file.append(part(bytes_ + "x")));
    EXPECT_EQ(file.received(), 0u);
  }
  EXPECT_EQ(files(), 0u);
  ProgramFile file = receive();
  EXPECT_TRUE(file.append(part(bytes_)));
  EXPECT_FALSE(file.append(part("x")));
  EXPECT_EQ(readPart(whole(), 0, 1000), bytes_);
}

TEST_F(ProgramFileTest, OneThatIsCutOffLeavesNoFile) {
  {
    ProgramFile file = receive();
    EXPECT_TRUE(file.append(part(bytes_.substr(0, bytes_.size() - 1))));
    EXPECT_EQ(files(), 1u);
  }
  EXPECT_EQ(files(), 0u);
}

TEST_F(ProgramFileTest, TwoAtOnceDoNotDisturbEachOther) {
  ProgramFile first = receive(), second = receive();
  EXPECT_TRUE(first.append(part(bytes_.substr(0, 3))));
  EXPECT_TRUE(second.append(part(bytes_.substr(0, 9))));
  EXPECT_TRUE(second.append(part(bytes_.substr(9))));
  EXPECT_TRUE(first.append(part(bytes_.substr(3))));

  EXPECT_TRUE(first.whole() && second.whole());
  EXPECT_EQ(readPart(whole(), 0, 1000), bytes_);
  EXPECT_EQ(files(), 1u);
}

TEST_F(ProgramFileTest, ADirectoryThatIsNotThereIsRefused) {
  EXPECT_FALSE(ProgramFile::receive("/nowhere/at/all", identity_));
}

}  // namespace
}  // namespace alnilam
