// PNG through libpng, JPEG through libjpeg-turbo. Both are C libraries that get hostile files: sizes are
// checked before any allocation, and no exception or destructor is crossed by libpng's longjmp.
#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <memory>

#include "compiler/base/error.h"
#include "runtime/data/byte_source.h"
#include "runtime/data/image.h"

namespace netc {
namespace {

constexpr int64_t kMaxPixels = 100'000'000;
constexpr int64_t kMaxFileBytes = int64_t{1} << 30;

void check_size(int64_t height, int64_t width, const std::string& name) {
  if (height <= 0 || width <= 0 || height * width > kMaxPixels)
    throw RuntimeError("E0709", name + " is an image of " + std::to_string(height) + "x" +
                                    std::to_string(width) + " pixels; at most " + std::to_string(kMaxPixels) +
                                    " are read");
}

// [height, width, channels] to [channels, height, width].
Image to_planar(const std::vector<uint8_t>& interleaved, int64_t channels, int64_t height, int64_t width) {
  Image image{channels, height, width, std::vector<uint8_t>(interleaved.size())};
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < height * width; ++i)
      image.pixels[static_cast<size_t>(c * height * width + i)] =
          interleaved[static_cast<size_t>(i * channels + c)];
  return image;
}

// ---- PNG

// Everything that the code between setjmp and longjmp touches; it owns nothing with a destructor.
struct PngReader {
  std::span<const std::byte> bytes;
  size_t position = 0;
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::array<char, 160> error{};
};

void png_failed(png_structp png, png_const_charp message) {
  auto* reader = static_cast<PngReader*>(png_get_error_ptr(png));
  std::strncpy(reader->error.data(), message, reader->error.size() - 1);
  longjmp(png_jmpbuf(png), 1);
}

void png_ignore_warning(png_structp, png_const_charp) {}

void png_take(png_structp png, png_bytep to, size_t count) {
  auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
  if (count > reader->bytes.size() - reader->position) png_error(png, "the file ends too early");
  std::memcpy(to, reader->bytes.data() + reader->position, count);
  reader->position += count;
}

// Reads the header and asks for 8-bit grey or RGB rows. False on error.
bool png_open(PngReader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_set_user_limits(reader.png, 1 << 24, 1 << 24);
  png_set_chunk_malloc_max(reader.png, 64 << 20);
  png_set_read_fn(reader.png, &reader, png_take);
  png_read_info(reader.png, reader.info);
  png_set_expand(reader.png);  // palettes to RGB, 1, 2 and 4 bits to 8
  png_set_scale_16(reader.png);
  png_set_strip_alpha(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool png_read_rows(PngReader& reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_read_image(reader.png, rows);
  png_read_end(reader.png, nullptr);
  return true;
}

Image decode_png(std::span<const std::byte> bytes, const std::string& name) {
  PngReader reader{bytes};
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, png_failed, png_ignore_warning);
  NETC_CHECK(reader.png, "libpng");
  auto destroy = [&reader](png_structp*) { png_destroy_read_struct(&reader.png, &reader.info, nullptr); };
  std::unique_ptr<png_structp, decltype(destroy)> owner(&reader.png, destroy);
  reader.info = png_create_info_struct(reader.png);
  NETC_CHECK(reader.info, "libpng");
  auto fail = [&] {
    throw RuntimeError("E0704", name + " is not a whole PNG image: " + reader.error.data() + " (at offset " +
                                    std::to_string(reader.position) + " of " + std::to_string(bytes.size()) +
                                    ")");
  };
  if (!png_open(reader)) fail();
  int64_t height = png_get_image_height(reader.png, reader.info),
          width = png_get_image_width(reader.png, reader.info);
  int64_t channels = png_get_channels(reader.png, reader.info);
  check_size(height, width, name);
  NETC_CHECK(static_cast<int64_t>(png_get_rowbytes(reader.png, reader.info)) == width * channels,
             "libpng's row size");
  std::vector<uint8_t> pixels(static_cast<size_t>(height * width * channels));
  std::vector<png_bytep> rows(static_cast<size_t>(height));
  for (int64_t y = 0; y < height; ++y) rows[static_cast<size_t>(y)] = pixels.data() + y * width * channels;
  if (!png_read_rows(reader, rows.data())) fail();
  return to_planar(pixels, channels, height, width);
}

// ---- JPEG

std::vector<uint8_t> cmyk_to_rgb(const std::vector<uint8_t>& cmyk) {  // Adobe's, stored inverted
  std::vector<uint8_t> rgb(cmyk.size() / 4 * 3);
  for (size_t i = 0; i < cmyk.size() / 4; ++i)
    for (size_t c = 0; c < 3; ++c)
      rgb[3 * i + c] = static_cast<uint8_t>((cmyk[4 * i + c] * cmyk[4 * i + 3] + 127) / 255);
  return rgb;
}

Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name) {
  std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
  NETC_CHECK(decoder, "libjpeg-turbo");
  auto fail = [&] {
    throw RuntimeError("E0704", name + " is not a whole JPEG image: " + tjGetErrorStr2(decoder.get()));
  };
  auto data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0, height = 0, subsampling = 0, colorspace = 0;
  if (tjDecompressHeader3(decoder.get(), data, bytes.size(), &width, &height, &subsampling, &colorspace) !=
          0 &&
      tjGetErrorCode(decoder.get()) == TJERR_FATAL)
    fail();
  check_size(height, width, name);
  bool grey = colorspace == TJCS_GRAY, cmyk = colorspace == TJCS_CMYK || colorspace == TJCS_YCCK;
  int channels = grey ? 1 : cmyk ? 4 : 3;
  std::vector<uint8_t> pixels(static_cast<size_t>(width) * static_cast<size_t>(height) *
                              static_cast<size_t>(channels));
  int format = grey ? TJPF_GRAY : cmyk ? TJPF_CMYK : TJPF_RGB;
  if (tjDecompress2(decoder.get(), data, bytes.size(), pixels.data(), width, 0, height, format,
                    TJFLAG_ACCURATEDCT)) {
    // Many photographs in use have harmless oddities, which are warnings; a cut-off file is one too.
    bool warning = tjGetErrorCode(decoder.get()) == TJERR_WARNING;
    if (!warning || std::strstr(tjGetErrorStr2(decoder.get()), "remature end")) fail();
  }
  if (cmyk) return to_planar(cmyk_to_rgb(pixels), 3, height, width);
  return to_planar(pixels, channels, height, width);
}

bool starts_with(std::span<const std::byte> bytes, std::initializer_list<uint8_t> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin(),
                                                    [](uint8_t a, std::byte b) { return std::byte{a} == b; });
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, const std::string& name) {
  if (starts_with(bytes, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'})) return decode_png(bytes, name);
  if (starts_with(bytes, {0xff, 0xd8, 0xff})) return decode_jpeg(bytes, name);
  throw RuntimeError("E0703", name + " is neither a PNG nor a JPEG image");
}

Image decode_image_file(const std::string& path) {
  return decode_image(read_file(path, kMaxFileBytes), path);
}

}  // namespace netc
