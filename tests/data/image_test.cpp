// PNG and JPEG decoding, resizing as Pillow does it, folders of images, and broken image files.
#include "runtime/data/image.h"

#include <gtest/gtest.h>
#include <png.h>
#include <turbojpeg.h>

#include "runtime/data/dataset.h"
#include "runtime/thread_pool.h"
#include "tests/data/files.h"

namespace netc {
namespace {

std::string png(int width, int height, int png_format, const std::string& interleaved) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = static_cast<png_uint_32>(png_format);
  png_alloc_size_t size = 0;
  png_image_write_get_memory_size(image, size, 0, interleaved.data(), 0, nullptr);
  std::string bytes(size, '\0');
  png_image_write_to_memory(&image, bytes.data(), &size, 0, interleaved.data(), 0, nullptr);
  bytes.resize(size);
  return bytes;
}

std::string jpeg(int width, int height, bool grey, const std::string& interleaved) {
  tjhandle encoder = tjInitCompress();
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  tjCompress2(encoder, reinterpret_cast<const unsigned char*>(interleaved.data()), width, 0, height,
              grey ? TJPF_GRAY : TJPF_RGB, &bytes, &size, grey ? TJSAMP_GRAY : TJSAMP_444, 95, 0);
  std::string text(reinterpret_cast<char*>(bytes), size);
  tjFree(bytes);
  tjDestroy(encoder);
  return text;
}

Image decode(const std::string& bytes) {
  return decode_image(std::as_bytes(std::span(bytes)), "x");
}

TEST(Png, GreyRgbAndTransparency) {
  Image grey = decode(png(3, 2, PNG_FORMAT_GRAY, "abcdef"));
  EXPECT_EQ(grey.channels, 1);
  EXPECT_EQ(grey.height, 2);
  EXPECT_EQ(grey.pixels, (std::vector<uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'}));
  Image rgb = decode(png(2, 1, PNG_FORMAT_RGB, "RGBrgb"));
  EXPECT_EQ(rgb.pixels, (std::vector<uint8_t>{'R', 'r', 'G', 'g', 'B', 'b'}));  // planar
  Image rgba = decode(png(2, 1, PNG_FORMAT_RGBA, std::string("RGB\0rgb\x80", 8)));
  EXPECT_EQ(rgba.pixels, rgb.pixels);
}

TEST(Jpeg, GreyAndRgb) {
  Image grey = decode(jpeg(8, 8, true, std::string(64, 100)));
  EXPECT_EQ(grey.channels, 1);
  for (uint8_t v : grey.pixels) EXPECT_NEAR(v, 100, 1);
  std::string red;
  for (int i = 0; i < 256; ++i) red += std::string("\xc8\x0a\x14", 3);
  Image rgb = decode(jpeg(16, 16, false, red));
  EXPECT_EQ(rgb.channels, 3);
  EXPECT_NEAR(rgb.pixels[0], 200, 3);
  EXPECT_NEAR(rgb.pixels[256], 10, 3);
  EXPECT_NEAR(rgb.pixels[2 * 256], 20, 3);
}

std::string decode_error(const std::string& bytes) {
  TemporaryFolder folder;
  return error_of(folder, [&] { decode(bytes); });
}

TEST(Image, BrokenFiles) {
  std::string noise;
  for (int i = 0; i < 3 * 32 * 32; ++i) noise += static_cast<char>(i * i * 7 + i);
  const std::string good_png = png(32, 32, PNG_FORMAT_RGB, noise), good_jpeg = jpeg(32, 32, false, noise);
  EXPECT_EQ(decode_error(""), "E0703 x is neither a PNG nor a JPEG image");
  EXPECT_EQ(decode_error("GIF89a"), "E0703 x is neither a PNG nor a JPEG image");
  std::string cut = decode_error(good_png.substr(0, good_png.size() / 2));
  EXPECT_TRUE(cut.starts_with("E0704 x is not a whole PNG image: ")) << cut;
  cut = decode_error(good_jpeg.substr(0, good_jpeg.size() / 2));
  EXPECT_TRUE(cut.starts_with("E0704 x is not a whole JPEG image: ")) << cut;
  std::string huge = good_png;  // a header of 16777215 x 16777215 pixels, with the right checksum
  for (size_t i : {17u, 18u, 19u, 21u, 22u, 23u}) huge[i] = '\xff';
  huge.replace(
      29, 4,
      big_endian(static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(huge.data() + 12), 17))));
  EXPECT_EQ(decode_error(huge),
            "E0709 x is an image of 16777215x16777215 pixels; at most 100000000 are read");
}

// No file, however damaged, may do worse than an error.
TEST(Image, EveryDamagedByteIsSafe) {
  std::string noise;
  for (int i = 0; i < 3 * 9 * 9; ++i) noise += static_cast<char>(i * i * 7 + i);
  for (const std::string& good : {png(9, 9, PNG_FORMAT_RGB, noise), jpeg(9, 9, false, noise)})
    for (size_t i = 0; i < good.size(); ++i)
      for (char flip : {'\x01', '\xff'}) {
        std::string bytes = good;
        bytes[i] = static_cast<char>(bytes[i] ^ flip);
        decode_error(bytes);
        decode_error(good.substr(0, i));
      }
}

TEST(Resize, MatchesPillow) {
  // Pillow 9.4: Image.fromarray(x).resize((w, h), Image.BILINEAR)
  Image ramp{1, 1, 8, {0, 10, 20, 30, 40, 50, 60, 255}};
  EXPECT_EQ(resize(ramp, 1, 4).pixels, (std::vector<uint8_t>{7, 25, 45, 142}));
  EXPECT_EQ(resize(ramp, 1, 3).pixels, (std::vector<uint8_t>{11, 35, 113}));
  Image square{1, 2, 2, {0, 100, 200, 50}};
  EXPECT_EQ(resize(square, 4, 4).pixels,
            (std::vector<uint8_t>{0, 25, 75, 100, 50, 60, 78, 88, 150, 129, 85, 63, 200, 163, 88, 50}));
}

TEST(Resize, FloatsAndIdentity) {
  FloatImage image{1, 2, 2, {0, 1, 2, 3}};
  EXPECT_EQ(resize(image, 2, 2).pixels, image.pixels);
  EXPECT_FLOAT_EQ(resize(image, 1, 1).pixels[0], 1.5f);
}

TEST(Preprocess, ShorterSideAndCrop) {
  Image image{3, 40, 61, std::vector<uint8_t>(3 * 40 * 61, 9)};
  Image shorter = preprocess(image, {{PreprocessSpec::Kind::resize, 20, 0}}, "x");
  EXPECT_EQ(shorter.height, 20);
  EXPECT_EQ(shorter.width, 30);  // 30.5, rounded down
  Image crop = preprocess(shorter, {{PreprocessSpec::Kind::center_crop, 16, 16}}, "x");
  EXPECT_EQ(crop.pixels, std::vector<uint8_t>(3 * 16 * 16, 9));
  TemporaryFolder folder;
  EXPECT_EQ(error_of(folder,
                     [&] {
                       preprocess(crop, {{PreprocessSpec::Kind::center_crop, 32, 16}}, "x");
                     }),
            "E0710 center_crop(32x16) exceeds x, which is 16x16 | fix: resize(32) before it");
  Image line{1, 1, 1000000, std::vector<uint8_t>(1000000)};
  EXPECT_EQ(error_of(folder,
                     [&] {
                       preprocess(line, {{PreprocessSpec::Kind::resize, 256, 0}}, "x");
                     }),
            "E0709 x would be resized from 1x1000000 to 256x256000000 pixels; at most 100000000 are allowed");
  // A file of weights may ask for anything.
  for (const int64_t size : {int64_t{1} << 61, INT64_MAX}) {
    Image small{1, 8, 16, std::vector<uint8_t>(128)};
    EXPECT_EQ(error_of(folder, [&] { preprocess(small, {{PreprocessSpec::Kind::resize, size, 0}}, "x"); }).substr(0, 37),
              "E0709 x would be resized from 8x16 to");
  }
}

TEST(ImageFolder, SortedClassesAndChannels) {
  TemporaryFolder folder;
  folder.write("data/dog/b.png", png(2, 2, PNG_FORMAT_GRAY, "bbbb"));
  folder.write("data/cat/deep/a.PNG", png(2, 2, PNG_FORMAT_RGB, "aaaaaaaaaaaa"));
  folder.write("data/cat/notes.txt", "ignored");
  ThreadPool pool(2);
  auto load = [&](LoadOptions options) {
    return load_dataset({DataSourceSpec::Kind::image_folder, "data", "", folder.path()}, options, pool);
  };
  auto data = load({});
  EXPECT_EQ(data->class_names(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(std::vector<int64_t>(data->labels().begin(), data->labels().end()), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(to_string(data->format()), "u8[3, 2, 2]");
  std::vector<std::byte> pixels(12);
  data->copy_image(1, pixels.data());
  EXPECT_EQ(pixels, std::vector<std::byte>(12, std::byte{'b'}));
  EXPECT_EQ(to_string(load({"train", 1, 0, {}})->format()), "u8[1, 2, 2]");

  EXPECT_EQ(error_of(folder, [&] { load({"train", 3, 1, {}}); }), "E0707 data has 2 classes, the network 1");
  folder.write("data/dog/c.png", png(1, 2, PNG_FORMAT_GRAY, "bb"));
  EXPECT_EQ(
      error_of(folder, [&] { load({}); }),
      "E0706 images differ in size: data/dog/c.png is 2x1, data/cat/deep/a.PNG is 2x2 | fix: preprocess = "
      "[resize(256), center_crop(224x224)]");
  folder.write("data/dog/c.png", "no image");
  EXPECT_EQ(error_of(folder, [&] { load({}); }), "E0703 data/dog/c.png is neither a PNG nor a JPEG image");
  std::filesystem::create_directory(folder / "data/emu");
  EXPECT_EQ(error_of(folder, [&] { load({}); }), "E0706 data/emu holds no .png, .jpg or .jpeg file");
  EXPECT_EQ(
      error_of(folder,
               [&] {
                 load_dataset({DataSourceSpec::Kind::image_folder, "data/emu", "", folder.path()}, {}, pool);
               }),
      "E0703 data/emu has no folders: an image folder has one for each class, with its images");
}

// Numbers belong to names: sorting other folders, or fewer, must not shift them.
TEST(ImageFolder, ClassesAreNumberedByTheirNames) {
  TemporaryFolder folder;
  for (const char* name : {"bee", "cat", "dog"}) folder.write("data/" + std::string(name) + "/a.png", png(1, 1, PNG_FORMAT_GRAY, name));
  SerialExecutor executor;
  const DataSourceSpec source{DataSourceSpec::Kind::image_folder, "data", "", folder.path()};
  EXPECT_EQ(folder_classes(source, "test"), (std::vector<std::string>{"bee", "cat", "dog"}));
  LoadOptions options;
  options.role = "test";
  options.channels = 1;
  options.class_names = {"dog", "cat", "bee", "ant"};
  const auto data = load_dataset(source, options, executor);
  EXPECT_EQ(data->class_names(), options.class_names);
  ASSERT_EQ(data->count(), 3);
  for (int64_t i = 0; i < 3; ++i) {
    std::byte pixel;
    data->copy_image(i, &pixel);
    EXPECT_EQ(options.class_names[static_cast<size_t>(data->labels()[static_cast<size_t>(i)])][0], static_cast<char>(pixel));
  }
  options.class_names = {"ant", "bee", "cat"};
  EXPECT_EQ(error_of(folder, [&] { load_dataset(source, options, executor); }),
            "E0711 data: the folder `dog` is none of the classes `ant`, `bee`, `cat`");
}

}  // namespace
}  // namespace netc
