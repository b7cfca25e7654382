// NumPy's files: one array (.npy) or several in a zip archive (.npz).
//
//   Array x = read_npy("x.npy");           // x.type is f32[1, 3, 224, 224]
//   write_npy("y.npy", y);
//
// Format: numpy.lib.format, versions 1 to 3. Read are little-endian and one-byte elements in C order;
// f64 becomes f32, bool and i8 become u8 and i32.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "compiler/base/shape.h"

namespace netc {

struct Array {
  TensorType type;
  std::vector<std::byte> bytes;  // dense, row-major
};

// THROWS RuntimeError: E0702 unreadable, E0703 no .npy file, E0704 truncated, E0705 trailing bytes,
// E0708 an element type or order that is not supported.
Array read_npy(const std::string& path);
Array parse_npy(std::span<const std::byte> file, const std::string& name);

// Every array of an archive, by its name without ".npy". Members are stored or deflated.
// THROWS RuntimeError as read_npy, and what zip_archive.h says for a broken archive.
std::map<std::string, Array> read_npz(const std::string& path);

// What stands before the elements of a .npy file. REQUIRES: not bf16, which NumPy has not.
std::vector<std::byte> npy_header(const TensorType& type);

// Replaces the file at once (atomic_file.h). REQUIRES: f32, f16, u8, i32 or i64. THROWS RuntimeError E0604.
void write_npy(const std::string& path, const Array& array);

}  // namespace netc
