// Weights in NumPy's archives: the arrays of an .npz by their names, in memory as a whole.
#pragma once

#include <string>
#include <vector>

#include "runtime/data/tensor_file.h"

namespace netc {

class NpzFile final : public TensorFile {
 public:
  // THROWS RuntimeError E0702 to E0709, as read_npz.
  explicit NpzFile(const std::string& path);

  const char* format() const override { return "npz"; }
  void read(const TensorEntry& entry, std::span<std::byte> to) const override;

 private:
  std::vector<std::vector<std::byte>> arrays_;  // of each entry
};

}  // namespace netc
