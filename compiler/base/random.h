// Counter-based randomness (decision 9): every random number is a pure function of what it is for.
//
// A draw is keyed by (seed, path) and counted by (step or epoch, sample, element), never by an id,
// an address, a thread or a rank. The generator is Philox4x32-10 (Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", SC11). Generated kernels compute the same function
// (tests/cpu compares them), so a draw has one value on every device.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace netc {

// FNV-1a of a path, the part of a key that names the draw's purpose ("stage.0.dropout0").
constexpr uint32_t path_key(std::string_view path) {
  uint32_t hash = 2166136261u;
  for (char c : path) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return hash;
}

constexpr std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> c, std::array<uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    uint64_t p0 = uint64_t{0xD2511F53u} * c[0], p1 = uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(p0)};
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return c;
}

// 32 random bits for (seed, path) at (when, sample, element). `when` is a step or an epoch.
constexpr uint32_t random_bits(uint64_t seed, uint32_t path, uint64_t when, uint64_t sample, uint64_t element) {
  return philox4x32({static_cast<uint32_t>(element), static_cast<uint32_t>(sample), static_cast<uint32_t>(when),
                     static_cast<uint32_t>(element >> 32)},
                    {static_cast<uint32_t>(seed) ^ path, static_cast<uint32_t>(seed >> 32)})[0];
}

// Uniform in [0, 1): the top 24 bits, exact in f32.
constexpr double uniform_from_bits(uint32_t bits) { return (bits >> 8) * (1.0 / 16777216.0); }

}  // namespace netc
