#include "compiler/lower/cuda_tiles.h"

#include <algorithm>
#include <charconv>

#include "compiler/base/digest.h"

namespace netc {
namespace {

constexpr size_t kKeyDigits = 16;
constexpr const char *kTile = "tile:", *kEvery = "every:";

// The text between `head` and the next ";"; nullopt where `head` is not in the text.
std::optional<std::string> text_behind(const std::string& text, const std::string& head) {
  const size_t at = text.find(head);
  if (at == std::string::npos) return std::nullopt;
  const size_t begin = at + head.size();
  return text.substr(begin, text.find(';', begin) - begin);
}

std::optional<int> number(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string to_string(const CudaTile& tile) {
  return std::to_string(tile.m) + "x" + std::to_string(tile.n);
}

std::optional<CudaTile> tile_from_text(const std::string& text) {
  const size_t x = text.find('x');
  if (x == std::string::npos) return std::nullopt;
  const std::optional<int> m = number(text.substr(0, x)), n = number(text.substr(x + 1));
  if (!m || !n) return std::nullopt;
  return CudaTile{*m, *n};
}

std::string product_key(const KernelBody& body, bool swapped) {
  const ContractionStage& stage = *body.contraction;
  std::string text = to_string(stage.contraction) + (swapped ? "swapped" : "");
  for (int operand : {stage.lhs, stage.rhs}) {
    const KernelOperand& o = body.operands[static_cast<size_t>(operand)];
    text += "\n" + std::string(name_of(o.dtype)) + " " + to_string(o.shape) + " " + to_string(o.strides);
  }
  return digest(text).hex(kKeyDigits);
}

std::string tile_choice(const std::string& key, const CudaTile& tile) {
  return kTile + key + "=" + to_string(tile) + ";";
}
std::string every_tile(int candidate) {
  return kEvery + std::to_string(candidate) + ";";
}

TileChoices tile_choices(const std::string& text) {
  TileChoices choices;
  const size_t head = std::string(kTile).size();
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(';', at), text.size());
    const std::string choice = text.substr(at, end - at);
    at = end + 1;
    if (choice.compare(0, head, kTile) != 0 || choice.size() <= head + kKeyDigits ||
        choice[head + kKeyDigits] != '=')
      continue;
    if (const std::optional<CudaTile> tile = tile_from_text(choice.substr(head + kKeyDigits + 1)))
      choices[choice.substr(head, kKeyDigits)] = *tile;
  }
  return choices;
}

std::string to_string(const TileChoices& choices) {
  std::string text;
  for (const auto& [key, tile] : choices) text += tile_choice(key, tile);
  return text;
}

std::optional<CudaTile> chosen_tile(const Target& target, const std::string& key,
                                    const std::vector<CudaTile>& candidates) {
  if (target.features.empty()) return std::nullopt;
  if (const std::optional<std::string> every = text_behind(target.features, kEvery)) {
    const std::optional<int> index = number(*every);
    if (!index || *index < 0 || *index >= static_cast<int>(candidates.size())) return std::nullopt;
    return candidates[static_cast<size_t>(*index)];
  }
  const std::optional<std::string> text = text_behind(target.features, kTile + key + "=");
  const std::optional<CudaTile> tile = text ? tile_from_text(*text) : std::nullopt;
  if (!tile || std::find(candidates.begin(), candidates.end(), *tile) == candidates.end())
    return std::nullopt;
  return tile;
}

}  // namespace netc
