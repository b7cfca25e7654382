// The checksum of event files; tests/e2e/watch_test.py reads whole files back.
#include "runtime/train/event_file.h"

#include <gtest/gtest.h>

#include "tests/data/files.h"

namespace netc {
namespace {

// RFC 3720, B.4, and the check value of the CRC catalogue.
TEST(EventFile, Crc32cOfTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  EXPECT_EQ(crc32c(ascending), 0x46DD794Eu);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(EventFile, BeginsWithItsVersion) {
  TemporaryFolder folder;
  { EventFile events(folder.path(), 0); }
  EventFile{}.scalar("nobody", 1, 2);  // writes nothing
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    ++files;
    EXPECT_TRUE(entry.path().filename().string().starts_with("events.out.tfevents."));
    EXPECT_NE(read_text(entry.path().string()).find("brain.Event:2"), std::string::npos);
  }
  EXPECT_EQ(files, 1);
}

TEST(EventFile, AFolderThatIsNotThere) {
  TemporaryFolder folder;
  EXPECT_TRUE(error_of(folder, [&] { EventFile(folder / "nothing", 0); }).starts_with("E0604 cannot write nothing/events.out"));
}

}  // namespace
}  // namespace netc
