// A file of events that TensorBoard reads: scalars and images of a run by tag and step.
//
//   EventFile events("runs/a", 0);
//   events.scalar("loss/train", 50, 2.31);
//   events.image("filters", 390, image);
//
// The file is a sequence of records: length (u64), masked CRC-32C of the length, bytes, masked CRC-32C of the bytes. The
// bytes are a protocol buffer `Event`, written by hand: of tensorflow/core/util/event.proto and framework/summary.proto
// six fields are used (https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/data/append_file.h"
#include "runtime/data/image.h"

namespace netc {

// CRC-32C (Castagnoli), as RFC 3720 defines it.
uint32_t crc32c(std::string_view bytes);

class EventFile {
 public:
  EventFile() = default;  // writes nothing
  // A new file in the folder, as TensorBoard does not change old ones. `resumed`: the step from which the run goes on;
  // TensorBoard drops what older files say of later ones. THROWS RuntimeError E0604, as all members.
  EventFile(const std::string& folder, int64_t resumed);

  void scalar(const std::string& tag, int64_t step, double value);
  void image(const std::string& tag, int64_t step, const Image& image);

 private:
  void write(int64_t step, const std::string& fields);

  AppendFile file_;
};

}  // namespace netc
