#include "runtime/train/entry_io.h"

#include <algorithm>
#include <cstring>

#include "compiler/base/error.h"

namespace netc {
namespace {

auto named(const std::string& name) {
  return [&name](const IoSlot& slot) { return slot.name == name; };
}

}  // namespace

EntryIo::EntryIo(const Program& program, const std::string& name) : entry_(program.find_entry(name)) {
  if (!entry_) throw RuntimeError("E0912", "the program has no entry `" + name + "`");
  for (const IoSlot& slot : entry_->inputs) inputs_.push_back({nullptr, slot.type.bytes()});
  values_.resize(entry_->outputs.size());
  for (size_t i = 0; i < values_.size(); ++i) {
    const TensorType& type = entry_->outputs[i].type;
    bool scalar = type.bytes() <= static_cast<int64_t>(sizeof values_[i]);
    outputs_.push_back({scalar ? &values_[i] : nullptr, type.bytes()});
  }
}

bool EntryIo::has_input(const std::string& name) const {
  return std::any_of(entry_->inputs.begin(), entry_->inputs.end(), named(name));
}

bool EntryIo::has_output(const std::string& name) const {
  return std::any_of(entry_->outputs.begin(), entry_->outputs.end(), named(name));
}

const IoSlot& EntryIo::input(const std::string& name) const {
  auto it = std::find_if(entry_->inputs.begin(), entry_->inputs.end(), named(name));
  if (it == entry_->inputs.end())
    throw RuntimeError("E0912", "entry `" + entry_->name + "` has no input `" + name + "`");
  return *it;
}

const IoSlot& EntryIo::output(const std::string& name) const {
  auto it = std::find_if(entry_->outputs.begin(), entry_->outputs.end(), named(name));
  if (it == entry_->outputs.end())
    throw RuntimeError("E0912", "entry `" + entry_->name + "` has no output `" + name + "`");
  return *it;
}

void EntryIo::set_output(const std::string& name, void* data) {
  outputs_[static_cast<size_t>(&output(name) - entry_->outputs.data())].data = data;
}

void EntryIo::set_input(const std::string& name, const void* data) {
  inputs_[static_cast<size_t>(&input(name) - entry_->inputs.data())].data = data;
}

void EntryIo::run(Context& context, const RuntimeScalars& scalars, Executor& executor, const RunOptions& options) {
  context.run(entry_->name, inputs_, outputs_, scalars, executor, options);
}

void EntryIo::stage(Context& context, Executor& executor) const { context.stage_inputs(entry_->name, inputs_, executor); }

double EntryIo::scalar(const std::string& name) const {
  auto it = std::find_if(entry_->outputs.begin(), entry_->outputs.end(), named(name));
  if (it == entry_->outputs.end() || it->type.elements() != 1)
    throw RuntimeError("E0912", "entry `" + entry_->name + "` has no scalar output `" + name + "`");
  const int64_t& raw = values_[static_cast<size_t>(it - entry_->outputs.begin())];
  auto as = [&](auto value) {
    std::memcpy(&value, &raw, sizeof value);
    return static_cast<double>(value);
  };
  switch (it->type.dtype) {
    case DType::f32:
      return as(float{});
    case DType::i32:
      return as(int32_t{});
    case DType::i64:
      return as(int64_t{});
    case DType::u8:
      return as(uint8_t{});
    case DType::f16:
    case DType::bf16:
      break;  // sums are never narrow
  }
  throw InternalError("scalar output " + name + " is " + to_string(it->type));
}

int64_t EntryIo::require_images(const Dataset& data, const char* what) const {
  const TensorType& type = input("image").type;
  const ImageFormat& f = data.format();
  if (type.shape.size() != 4 || ImageFormat{type.dtype, type.shape[1], type.shape[2], type.shape[3]} != f) {
    TensorType one{type.dtype, {type.shape.begin() + (type.shape.empty() ? 0 : 1), type.shape.end()}};
    throw RuntimeError(
        "E0710", std::string(what) + " are images " + to_string(f) + ", the network takes " + to_string(one),
        f.dtype == type.dtype ? "preprocess = [resize(...), center_crop(...)], or another `input`"
                              : "input image: another element type");
  }
  return type.shape[0];
}

}  // namespace netc
