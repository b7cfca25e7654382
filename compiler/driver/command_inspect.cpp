// netc inspect: what a file of weights, a checkpoint or a data file holds.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "compiler/api/convert_weights.h"
#include "compiler/base/error.h"
#include "compiler/driver/commands.h"
#include "compiler/driver/json_text.h"
#include "runtime/data/byte_source.h"
#include "runtime/data/image.h"
#include "runtime/data/npy.h"

namespace netc {
namespace {

using Json = nlohmann::ordered_json;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

Json tensor_json(const std::string& name, const TensorType& type) {
  return {{"name", name}, {"dtype", std::string(name_of(type.dtype))}, {"shape", type.shape}};
}

struct Report {
  std::string kind;
  std::vector<std::pair<std::string, TensorType>> tensors;
  std::map<std::string, std::string> metadata;
};

Report read_weights(const std::string& path) {
  const std::unique_ptr<TensorFile> file = open_tensor_file(path);
  Report report{file->format(), {}, file->metadata()};
  for (const TensorEntry& entry : file->entries()) report.tensors.emplace_back(entry.name, entry.type);
  return report;
}

Report read_image(const std::string& path) {
  const Image image = decode_image_file(path);
  return {"image", {{"pixels", {DType::u8, {image.channels, image.height, image.width}}}}, {}};
}

// IDX: two zero bytes, the element type, the rank, then big-endian extents. Its data are not read.
Report read_idx_header(const std::string& path) {
  ByteSource source(path);
  constexpr uint32_t kUnsignedBytes = 0x0800;
  const uint32_t magic = source.big_endian_32("the magic number");
  if (magic < kUnsignedBytes + 1 || magic > kUnsignedBytes + 4)
    throw RuntimeError("E0703", fmt::format("{}: netc knows no such format", path),
                       "safetensors, .pt, .npz, .npy, PNG, JPEG or IDX");
  Shape shape;
  int64_t elements = 1;
  for (uint32_t i = 0; i < magic - kUnsignedBytes; ++i) {
    shape.push_back(source.big_endian_32("an extent"));
    if (!checked_mul(elements, shape.back(), elements)) throw RuntimeError("E0703", fmt::format("{}: the shape {} overflows", path, to_string(shape)));
  }
  return {"idx", {{"data", {DType::u8, shape}}}, {}};
}

Report inspect_file(const std::string& path) {
  if (is_weights_name(path)) return read_weights(path);
  if (ends_with(path, ".npy")) return {"npy", {{"array", read_npy(path).type}}, {}};
  if (ends_with(path, ".png") || ends_with(path, ".jpg") || ends_with(path, ".jpeg")) return read_image(path);
  return read_idx_header(path);
}

// Class names and the like may be long; a line each is enough to recognise them.
std::string shortened(const std::string& text) { return text.size() <= 100 ? text : text.substr(0, 97) + "..."; }

}  // namespace

int run(const InspectCommand& options, Environment& environment) {
  const Report report = inspect_file(options.path);
  int64_t elements = 0, bytes = 0;
  for (const auto& [name, type] : report.tensors) {
    elements += type.elements();
    bytes += type.bytes();
  }
  if (environment.output.json()) {
    Json tensors = Json::array();
    for (const auto& [name, type] : report.tensors) tensors.push_back(tensor_json(name, type));
    const Json json = {{"kind", report.kind}, {"elements", elements}, {"bytes", bytes}, {"metadata", report.metadata}, {"tensors", tensors}};
    environment.output.result(json_text(json));
    return kExitOk;
  }
  std::string text;
  for (const auto& [key, value] : report.metadata) text += fmt::format("{}: {}\n", key, shortened(value));
  Table table({{"tensor", Table::Align::left}, {"type", Table::Align::left}, {"elements", Table::Align::right}});
  for (const auto& [name, type] : report.tensors) table.add({name, to_string(type), commas(type.elements())});
  text += table.text() + fmt::format("{} tensors, {} elements, {}\n", report.tensors.size(), commas(elements), byte_text(bytes));
  environment.output.result(text);
  return kExitOk;
}

}  // namespace netc
