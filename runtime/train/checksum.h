// The checksum in a checkpoint's metadata, of everything else in it: a bit that flips anywhere is an error, never a weight.
//
//   add_checksum(metadata, tensors);  write_safetensors(path, tensors, metadata);
//   require_undamaged(SafetensorsFile(path));
#pragma once

#include <vector>

#include "runtime/data/tensor_file.h"

namespace netc {

// Adds or replaces "netc.checksum" where the metadata are those of a checkpoint that has one: of version 3 or later.
void add_checksum(Metadata& metadata, const std::vector<TensorToWrite>& tensors);

// Reads the whole file, where it has a checksum. Weights of other programs, and of this one before version 3, have none.
// THROWS RuntimeError E0609 if it is not that of what the file holds; those of reading.
void require_undamaged(const TensorFile& file);

}  // namespace netc
