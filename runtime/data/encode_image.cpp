// PNG through libpng. As in decode_image.cpp, no destructor is crossed by libpng's longjmp.
#include <png.h>

#include <array>
#include <csetjmp>
#include <cstring>

#include "compiler/base/error.h"
#include "runtime/data/atomic_file.h"
#include "runtime/data/image.h"

namespace netc {
namespace {

struct PngWriter {
  std::vector<uint8_t>* bytes;
  png_structp png = nullptr;
  png_infop info = nullptr;
};

void png_failed(png_structp png, png_const_charp) { longjmp(png_jmpbuf(png), 1); }
void png_ignore_warning(png_structp, png_const_charp) {}
void png_put(png_structp png, png_bytep from, size_t count) {
  auto* writer = static_cast<PngWriter*>(png_get_io_ptr(png));
  writer->bytes->insert(writer->bytes->end(), from, from + count);
}
void png_flush_nothing(png_structp) {}

// False on error.
bool write_rows(PngWriter& writer, const Image& image, png_bytepp rows) {
  if (setjmp(png_jmpbuf(writer.png))) return false;
  png_set_write_fn(writer.png, &writer, png_put, png_flush_nothing);
  png_set_IHDR(writer.png, writer.info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
               image.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer.png, writer.info);
  png_write_image(writer.png, rows);
  png_write_end(writer.png, writer.info);
  return true;
}

}  // namespace

std::vector<uint8_t> encode_png(const Image& image) {
  NETC_CHECK(image.channels == 1 || image.channels == 3, "a PNG image is grey or RGB");
  const int64_t plane = image.height * image.width;
  std::vector<uint8_t> interleaved(image.pixels.size()), bytes;
  for (int64_t c = 0; c < image.channels; ++c)
    for (int64_t i = 0; i < plane; ++i)
      interleaved[static_cast<size_t>(i * image.channels + c)] = image.pixels[static_cast<size_t>(c * plane + i)];
  std::vector<png_bytep> rows(static_cast<size_t>(image.height));
  for (int64_t y = 0; y < image.height; ++y)
    rows[static_cast<size_t>(y)] = interleaved.data() + y * image.width * image.channels;
  PngWriter writer{&bytes};
  writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, png_failed, png_ignore_warning);
  NETC_CHECK(writer.png, "libpng");
  writer.info = png_create_info_struct(writer.png);
  const bool written = writer.info && write_rows(writer, image, rows.data());
  png_destroy_write_struct(&writer.png, &writer.info);
  NETC_CHECK(written, "libpng refused an image");
  return bytes;
}

void write_png(const std::string& path, const Image& image) {
  const std::vector<uint8_t> bytes = encode_png(image);
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

}  // namespace netc
