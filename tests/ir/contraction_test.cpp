// Contractions: roles, the text form, and what verify refuses.
#include "compiler/ir/contraction.h"

#include <gtest/gtest.h>

#include "compiler/base/error.h"

namespace netc {
namespace {

// A 3x3 convolution at stride 2 and padding 1 in two groups, by hand.
Contraction grouped_convolution(int output) {
  Contraction c;
  enum { n, ch, k, oh, ow, kh, kw, g };
  c.axes = {{"n", 2}, {"c", 3}, {"k", 5}, {"oh", 4}, {"ow", 4}, {"kh", 3}, {"kw", 3}, {"g", 2}};
  auto plain = [](int axis) { return AxisSum{{{axis, 1}}, 0}; };
  AxisSum channel{{{g, 3}, {ch, 1}}, 0}, filter{{{g, 5}, {k, 1}}, 0};
  c.tensors[0] = {{2, 6, 8, 8}, {plain(n), channel, AxisSum{{{oh, 2}, {kh, 1}}, -1}, AxisSum{{{ow, 2}, {kw, 1}}, -1}}};
  c.tensors[1] = {{10, 3, 3, 3}, {filter, plain(ch), plain(kh), plain(kw)}};
  c.tensors[2] = {{2, 10, 4, 4}, {plain(n), filter, plain(oh), plain(ow)}};
  c.output = output;
  return c;
}

std::string roles(const Contraction& c) {
  std::string text;
  for (size_t a = 0; a < c.axes.size(); ++a) text += "bmnk"[static_cast<int>(c.role(static_cast<int>(a)))];
  return text;
}

TEST(Contraction, RolesFollowTheOutput) {
  //                                          n c k oh ow kh kw g
  EXPECT_EQ(roles(grouped_convolution(2)), "mknmmkkb");  // forward
  EXPECT_EQ(roles(grouped_convolution(0)), "nmknnmmb");  // data gradient
  EXPECT_EQ(roles(grouped_convolution(1)), "kmnkkmmb");  // weight gradient
}

TEST(Contraction, InputsAreInTensorOrder) {
  EXPECT_EQ(grouped_convolution(0).first_input(), 1);
  EXPECT_EQ(grouped_convolution(0).second_input(), 2);
  EXPECT_EQ(grouped_convolution(1).first_input(), 0);
  EXPECT_EQ(grouped_convolution(1).second_input(), 2);
  EXPECT_EQ(grouped_convolution(2).first_input(), 0);
  EXPECT_EQ(grouped_convolution(2).second_input(), 1);
}

TEST(Contraction, CountsThePointsOfTheIterationSpace) {
  EXPECT_EQ(grouped_convolution(2).multiply_adds(), 2 * 3 * 5 * 4 * 4 * 3 * 3 * 2);
}

TEST(Contraction, Text) {
  EXPECT_EQ(to_string(grouped_convolution(2)),
            "t2[n, 5*g + k, oh, ow] += t0[n, 3*g + c, 2*oh + kh - 1, 2*ow + kw - 1] * t1[5*g + k, c, kh, kw]\n"
            "  n: 2 M, c: 3 K, k: 5 N, oh: 4 M, ow: 4 M, kh: 3 K, kw: 3 K, g: 2 batch\n"
            "  t0: [2, 6, 8, 8], t1: [10, 3, 3, 3], t2: [2, 10, 4, 4]\n");
}

TEST(Contraction, VerifyRefusesInconsistency) {
  EXPECT_NO_THROW(verify(grouped_convolution(1)));
  Contraction c = grouped_convolution(2);
  c.tensors[0].index.pop_back();
  EXPECT_THROW(verify(c), InternalError);
  c = grouped_convolution(2);
  c.axes.push_back({"unused", 3});
  EXPECT_THROW(verify(c), InternalError);
  c = grouped_convolution(2);
  c.tensors[1].index[0].terms[0].axis = 99;
  EXPECT_THROW(verify(c), InternalError);
  c = grouped_convolution(3);
  EXPECT_THROW(verify(c), InternalError);
  c = grouped_convolution(2);
  c.axes[0].extent = 0;
  EXPECT_THROW(verify(c), InternalError);
}

}  // namespace
}  // namespace netc
