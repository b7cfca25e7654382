// The cache of compiled kernels: its entries, its folder, why a lookup misses, who goes first.
#include "compiler/cache/object_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "compiler/cache/maintain.h"

namespace netc {
namespace {

namespace fs = std::filesystem;

class CacheTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "netc_cache_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    path_ = name + "/deep/cache";
  }
  void TearDown() override { fs::remove_all(root_); }

  CacheSettings settings(int64_t max_bytes = 1 << 30) const { return {path_, max_bytes, ""}; }
  CacheFolder folder() const {
    std::string problem;
    std::optional<CacheFolder> opened = CacheFolder::open(path_, true, problem);
    if (!opened) throw std::runtime_error(problem);
    return *std::move(opened);
  }
  std::string file_of(const ObjectKey& key) const {
    return path_ + "/" + key.entry_name().substr(0, 2) + "/" + key.entry_name();
  }

  std::string root_, path_;
};

ObjectKey key(const std::string& kernel, const std::string& target = "x86-64", const std::string& compiler = "1") {
  return {digest(kernel), "netc_" + kernel, target, compiler};
}

std::vector<std::byte> object(size_t bytes, int seed = 0) {
  std::vector<std::byte> result(bytes);
  for (size_t i = 0; i < bytes; ++i) result[i] = static_cast<std::byte>(i * 7 + static_cast<size_t>(seed));
  return result;
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

TEST(Digest, IsTheSameEverywhere) {
  EXPECT_EQ(digest("").hex(), "99aa06d3014798d86001c324468d497f");  // XXH3's published value for no bytes
  EXPECT_EQ(digest("a").hex(8), digest("a").hex().substr(0, 8));
  EXPECT_NE(digest("a"), digest("b"));
}

TEST(Sizes, AreReadWithUnits) {
  EXPECT_EQ(parse_bytes("0"), 0);
  EXPECT_EQ(parse_bytes("4096"), 4096);
  EXPECT_EQ(parse_bytes("3K"), 3 << 10);
  EXPECT_EQ(parse_bytes("5MiB"), 5 << 20);
  EXPECT_EQ(parse_bytes("2GB"), int64_t{2} << 30);
  for (const char* text : {"", "MiB", "-1", "1.5G", "3 M", "12X", "9MiBs", "99999999999999999999", "9999999999T"})
    EXPECT_FALSE(parse_bytes(text)) << text;
}

TEST(Entries, ComeBackWholeOrNotAtAll) {
  const ObjectKey k = key("conv");
  const std::vector<std::byte> bytes = encode_entry(k, object(100));
  const std::optional<CacheEntry> entry = decode_entry(bytes);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->key, k);
  EXPECT_EQ(entry->object, object(100));
  EXPECT_EQ(k.entry_name().size(), kNameLength);
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_FALSE(decode_entry({bytes.data(), i})) << "cut after " << i;
    std::vector<std::byte> flipped = bytes;
    flipped[i] ^= std::byte{16};
    EXPECT_FALSE(decode_entry(flipped)) << "byte " << i;
  }
}

TEST_F(CacheTest, FindsWhatWasStored) {
  ObjectCache cache(settings());
  EXPECT_TRUE(cache.enabled());
  const Lookup before = cache.find(key("conv"));
  EXPECT_FALSE(before.object);
  EXPECT_EQ(before.reason, Miss::new_kernel);
  cache.store(key("conv"), object(50));
  EXPECT_EQ(cache.find(key("conv")).object, object(50));
  EXPECT_EQ(ObjectCache(settings()).find(key("conv")).object, object(50)) << "another process";
  EXPECT_TRUE(cache.warnings().empty());
  EXPECT_EQ(mode_of(path_), 0700u);
  EXPECT_EQ(mode_of(root_ + "/deep"), 0700u);
  EXPECT_EQ(mode_of(file_of(key("conv"))), 0600u);
}

TEST_F(CacheTest, SaysWhyItMissed) {
  ObjectCache cache(settings());
  cache.store(key("conv", "x86-64", "1"), object(50));
  EXPECT_EQ(cache.find(key("relu", "x86-64", "1")).reason, Miss::new_kernel);
  EXPECT_EQ(cache.find(key("conv", "znver5", "1")).reason, Miss::other_target);
  EXPECT_EQ(cache.find(key("conv", "x86-64", "2")).reason, Miss::other_compiler);
  for (int i = 0; i < kMissReasons; ++i) EXPECT_STRNE(describe(static_cast<Miss>(i)), "?");
}

TEST_F(CacheTest, DropsDamagedEntries) {
  ObjectCache cache(settings());
  cache.store(key("conv"), object(50));
  std::fstream(file_of(key("conv")), std::ios::in | std::ios::out | std::ios::binary).seekp(60).put('!');
  EXPECT_EQ(cache.find(key("conv")).reason, Miss::damaged);
  ASSERT_EQ(cache.warnings().size(), 1u);
  EXPECT_NE(cache.warnings()[0].find(file_of(key("conv")) + " is damaged"), std::string::npos) << cache.warnings()[0];
  EXPECT_FALSE(fs::exists(file_of(key("conv"))));
  cache.store(key("conv"), object(50));
  EXPECT_TRUE(cache.find(key("conv")).object);
}

TEST_F(CacheTest, AnEntryUnderAnotherNameIsNotTaken) {
  ObjectCache cache(settings());
  cache.store(key("conv"), object(50));
  fs::create_directories(fs::path(file_of(key("relu"))).parent_path());
  fs::copy(file_of(key("conv")), file_of(key("relu")));
  EXPECT_EQ(cache.find(key("relu")).reason, Miss::damaged);
}

TEST_F(CacheTest, EvictsWhatWasNotUsedForLongest) {
  ObjectCache cache(settings());
  const int64_t size = static_cast<int64_t>(encode_entry(key("0"), object(1000)).size());
  for (int i = 0; i < 10; ++i) {
    cache.store(key(std::to_string(i)), object(1000));
    const fs::file_time_type time = fs::file_time_type::clock::now() - std::chrono::hours(100 - i);
    fs::last_write_time(file_of(key(std::to_string(i))), time);
  }
  EXPECT_TRUE(cache.find(key("0")).object) << "now the last used";
  const CacheFolder opened = folder();
  EXPECT_EQ(evict(opened, 10 * size, true).entries, 0);
  const Eviction done = evict(opened, 9 * size, true);  // a tenth stays free: 8 entries
  EXPECT_EQ(done.entries, 2);
  EXPECT_EQ(done.bytes, 2 * size);
  EXPECT_EQ(statistics(opened).entries, 8);
  EXPECT_TRUE(ObjectCache(settings()).find(key("0")).object);
  EXPECT_TRUE(ObjectCache(settings()).find(key("3")).object);
  for (const char* gone : {"1", "2"}) EXPECT_EQ(ObjectCache(settings()).find(key(gone)).reason, Miss::evicted) << gone;
  EXPECT_EQ(clear(opened).entries, 8);
  EXPECT_EQ(ObjectCache(settings()).find(key("1")).reason, Miss::new_kernel);
}

TEST_F(CacheTest, KeepsItsLimitByItself) {
  for (int i = 0; i < 20; ++i) {
    ObjectCache cache(settings(5000));
    cache.store(key(std::to_string(i)), object(1000));
    cache.enforce_limit();
    EXPECT_LE(statistics(folder()).bytes, 5000);
    EXPECT_TRUE(cache.find(key(std::to_string(i))).object) << "the newest stays";
  }
}

TEST_F(CacheTest, RemovesWhatKilledWritersLeft) {
  const CacheFolder opened = folder();
  ASSERT_EQ(opened.write(key("conv").entry_name(), object(10)), "");
  const std::string shard = path_ + "/" + key("conv").entry_name().substr(0, 2);
  std::ofstream(shard + "/.tmp-1-0") << "old";
  std::ofstream(shard + "/.tmp-1-1") << "new";
  fs::last_write_time(shard + "/.tmp-1-0", fs::file_time_type::clock::now() - std::chrono::hours(2));
  opened.remove_abandoned();
  EXPECT_FALSE(fs::exists(shard + "/.tmp-1-0"));
  EXPECT_TRUE(fs::exists(shard + "/.tmp-1-1"));
  EXPECT_EQ(statistics(opened).entries, 1);
}

// In a container every run may have the process id of one that was killed.
TEST_F(CacheTest, LeftoversOfAnyProcessIdAreNotInTheWay) {
  const CacheFolder opened = folder();
  const std::string name = key("conv").entry_name(), shard = path_ + "/" + name.substr(0, 2);
  fs::create_directories(shard);
  for (int serial = 0; serial < 200; ++serial) std::ofstream(shard + "/.tmp-" + std::to_string(getpid()) + "-" + std::to_string(serial));
  EXPECT_EQ(opened.write(name, object(10)), "");
}

TEST_F(CacheTest, RefusesAFolderThatOthersMayWriteTo) {
  fs::create_directories(path_);
  for (const auto& [mode, refused] : {std::pair{0777, true}, {0720, true}, {0755, false}, {0700, false}}) {
    chmod(path_.c_str(), static_cast<mode_t>(mode));
    ObjectCache cache(settings());
    EXPECT_EQ(cache.enabled(), !refused) << mode;
    ASSERT_EQ(cache.warnings().size(), refused ? 1u : 0u);
    cache.store(key("conv"), object(10));
    EXPECT_EQ(cache.find(key("conv")).object.has_value(), !refused);
  }
  if (geteuid() == 0) {
    ASSERT_EQ(chown(path_.c_str(), 65534, 65534), 0);
    ObjectCache cache(settings());
    EXPECT_FALSE(cache.enabled());
    EXPECT_NE(cache.warnings().at(0).find("another user"), std::string::npos);
  }
}

TEST_F(CacheTest, AFileInTheWayIsAWarning) {
  fs::create_directories(fs::path(path_).parent_path());
  std::ofstream(path_) << "a file";
  ObjectCache cache(settings());
  EXPECT_FALSE(cache.enabled());
  EXPECT_EQ(cache.warnings().size(), 1u);
  EXPECT_EQ(ObjectCache(CacheSettings{}).warnings().size(), 0u) << "no cache was asked for";
}

TEST_F(CacheTest, SurvivesManyAtOnce) {
  const auto work = [&](int seed) {
    for (int i = 0; i < 60; ++i) {
      ObjectCache cache(settings(20'000));
      const int kernel = (i * 5 + seed) % 30;
      const Lookup found = cache.find(key(std::to_string(kernel)));
      if (found.object) EXPECT_EQ(*found.object, object(900, kernel));
      else cache.store(key(std::to_string(kernel)), object(900, kernel));
      cache.enforce_limit();
      EXPECT_TRUE(cache.warnings().empty()) << cache.warnings()[0];
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back(work, t);
  for (std::thread& thread : threads) thread.join();
  for (const EntryInfo& entry : inspect(folder())) EXPECT_FALSE(entry.damaged);
  EXPECT_LE(statistics(folder()).bytes, 20'000 + 4 * 1100);
}

TEST(CacheSettings, ComeFromTheFlagThenTheEnvironment) {
  const auto set = [](const char* name, const char* value) { value ? setenv(name, value, 1) : unsetenv(name); };
  set("NETC_CACHE_DIR", nullptr);
  set("NETC_CACHE_SIZE", "3M");
  set("XDG_CACHE_HOME", "/xdg");
  set("HOME", "/home/me");
  EXPECT_EQ(cache_settings("").folder, "/xdg/netc");
  EXPECT_EQ(cache_settings("").max_bytes, 3 << 20);
  set("XDG_CACHE_HOME", "relative");
  EXPECT_EQ(cache_settings("").folder, "/home/me/.cache/netc");
  set("HOME", nullptr);
  EXPECT_EQ(cache_settings("").folder, "");
  EXPECT_NE(cache_settings("").problem, "");
  set("NETC_CACHE_DIR", "/here");
  EXPECT_EQ(cache_settings("").folder, "/here");
  EXPECT_EQ(cache_settings("there").folder, "there");
  EXPECT_EQ(cache_settings("none").folder, "");
  EXPECT_EQ(cache_settings("none").problem, "");
  set("NETC_CACHE_SIZE", "much");
  EXPECT_NE(cache_settings("").problem, "");
}

}  // namespace
}  // namespace netc
