// The identity of a target: what is kept with machine code and checkpoints.
#include "compiler/base/target.h"

#include <gtest/gtest.h>

namespace netc {
namespace {

TEST(TargetIdentity, NamesTheKindOfDevice) {
  Target target;
  target.cpu = "x86-64-v3";
  EXPECT_EQ(identity(target).rfind("x86-64-v3, 4 lanes", 0), 0u);
  target.cpu = "sm_90";
  target.kind = TargetKind::cuda;
  EXPECT_EQ(identity(target), "cuda:sm_90");
  target.kind = TargetKind::cuda_emulation;
  EXPECT_EQ(identity(target), "cuda-emulation:sm_90");
}

TEST(TargetIdentity, SaysHowToComeByTheTargetAgain) {
  Target target;
  target.cpu = "x86-64-v3";
  EXPECT_EQ(flag_of_identity(identity(target)), "--cpu x86-64-v3");
  target.features = "+avx2";
  EXPECT_EQ(flag_of_identity(identity(target)), "") << "the machine at hand has no name";
  target = {};
  target.kind = TargetKind::cuda;
  target.cpu = "sm_80";
  EXPECT_EQ(flag_of_identity(identity(target)), "--device cuda:sm_80");
  target.kind = TargetKind::cuda_emulation;
  EXPECT_EQ(flag_of_identity(identity(target)), "--device cuda-emulation:sm_80");
  target.features = "tile:0123456789abcdef=64x64;";
  EXPECT_EQ(identity(target).rfind("cuda-emulation:sm_80, tiles ", 0), 0u);
  EXPECT_EQ(flag_of_identity(identity(target)), "") << "no flag has tiles";
}

}  // namespace
}  // namespace netc
