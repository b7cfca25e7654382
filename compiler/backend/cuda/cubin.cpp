#include "compiler/backend/cuda/cubin.h"

#include <elf.h>

#include <cstring>

#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr uint16_t kMachineCuda = 190;
constexpr size_t kInstructionBytes = 16;
constexpr uint64_t kOpcodeMask = 0xfff;
constexpr uint64_t kHmma = 0x23c, kLdsm = 0x83b, kLdgsts = 0xfae, kStl = 0x387, kLdl = 0x983;
// Of .nv.info: entries of (format, attribute, size); format 4 is followed by `size` bytes, here (symbol,
// value).
constexpr uint8_t kFormatSized = 4, kAttributeFrame = 0x11, kAttributeRegisters = 0x2f;

[[noreturn]] void malformed(const char* what) {
  throw RuntimeError("E0934", std::string("a malformed cubin: ") + what);
}

// Of an HMMA, in its second eight bytes, read off the cubins of single mma.sync: bits 18 and 19 are the operands' type (0 f16,
// 1 bf16, 2 tf32), bit 11 says k16 of 16-bit types, bit 14 k4 of tf32.
constexpr uint64_t kHmmaFormat = 0xC4800, kHmmaTf32K8 = 0x80000;

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <class T>
  T at(uint64_t offset) const {
    T value;
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof value) malformed("it ends too early");
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }
  std::string text(uint64_t offset) const {
    std::string result;
    for (char c; (c = at<char>(offset++)) != '\0';) result += c;
    return result;
  }

 private:
  std::span<const std::byte> bytes_;
};

void count_instructions(const Reader& file, const Elf64_Shdr& text, CubinKernel& kernel) {
  for (uint64_t at = 0; at + kInstructionBytes <= text.sh_size; at += kInstructionBytes) {
    const uint64_t opcode = file.at<uint64_t>(text.sh_offset + at) & kOpcodeMask,
                   modifiers = file.at<uint64_t>(text.sh_offset + at + 8);
    ++kernel.instructions;
    kernel.tensor_products += opcode == kHmma;
    kernel.tf32_products += opcode == kHmma && (modifiers & kHmmaFormat) == kHmmaTf32K8;
    kernel.matrix_loads += opcode == kLdsm;
    kernel.async_copies += opcode == kLdgsts;
    kernel.local_stores += opcode == kStl;
    kernel.local_loads += opcode == kLdl;
  }
}

}  // namespace

std::vector<CubinKernel> read_cubin(std::span<const std::byte> bytes) {
  const Reader file(bytes);
  const auto header = file.at<Elf64_Ehdr>(0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != kMachineCuda)
    malformed("it is no CUDA ELF file");
  const auto section = [&](uint64_t number) {
    return file.at<Elf64_Shdr>(header.e_shoff + number * sizeof(Elf64_Shdr));
  };
  const Elf64_Shdr names = section(header.e_shstrndx);

  std::vector<CubinKernel> kernels;
  Elf64_Shdr symbols{}, symbol_names{}, info{};
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr s = section(i);
    const std::string name = file.text(names.sh_offset + s.sh_name);
    if (name == ".nv.info") info = s;
    if (s.sh_type == SHT_SYMTAB) {
      symbols = s;
      symbol_names = section(s.sh_link);
    }
    if (name.rfind(".text.", 0) != 0) continue;
    CubinKernel kernel;
    kernel.name = name.substr(6);
    count_instructions(file, s, kernel);
    kernels.push_back(std::move(kernel));
  }

  for (uint64_t at = 0; at + 4 <= info.sh_size;) {
    const auto format = file.at<uint8_t>(info.sh_offset + at),
               attribute = file.at<uint8_t>(info.sh_offset + at + 1);
    const auto size = file.at<uint16_t>(info.sh_offset + at + 2);
    const uint64_t payload = info.sh_offset + at + 4;
    at += format == kFormatSized ? 4 + uint64_t{size} : 4;
    if (format != kFormatSized || size != 8 ||
        (attribute != kAttributeFrame && attribute != kAttributeRegisters))
      continue;
    const auto symbol =
        file.at<Elf64_Sym>(symbols.sh_offset + file.at<uint32_t>(payload) * sizeof(Elf64_Sym));
    const std::string name = file.text(symbol_names.sh_offset + symbol.st_name);
    const auto value = static_cast<int>(file.at<uint32_t>(payload + 4));
    for (CubinKernel& kernel : kernels)
      if (kernel.name == name) (attribute == kAttributeFrame ? kernel.frame_bytes : kernel.registers) = value;
  }
  return kernels;
}

}  // namespace netc
