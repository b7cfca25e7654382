// The networks of the standard library have the published numbers of parameters.
#include <gtest/gtest.h>

#include "compiler/ir/op_def.h"
#include "tests/sema/elaborate_text.h"

namespace netc {
namespace {

struct Case {
  const char* reference;
  Purpose purpose;
  int64_t parameters;
};

class StdlibParameters : public testing::TestWithParam<Case> {};

TEST_P(StdlibParameters, as_published) {
  const ElaboratedNetwork net = elaborate_reference(GetParam().reference, {.purpose = GetParam().purpose, .batch = 2});
  EXPECT_EQ(parameter_count(net), GetParam().parameters);
}

INSTANTIATE_TEST_SUITE_P(
    All, StdlibParameters,
    testing::Values(Case{"std.resnet:resnet18", Purpose::predict, 11'689'512}, Case{"std.resnet:resnet34", Purpose::predict, 21'797'672},
                    Case{"std.resnet:resnet50", Purpose::predict, 25'557'032}, Case{"std.resnet:resnet50", Purpose::train, 25'557'032},
                    Case{"std.resnet:resnet101", Purpose::predict, 44'549'160}, Case{"std.resnet:resnet152", Purpose::predict, 60'192'808},
                    Case{"std.resnet:resnet20", Purpose::train, 269'722}, Case{"std.resnet:resnet32", Purpose::predict, 464'154},
                    Case{"std.resnet:resnet44", Purpose::predict, 658'586}, Case{"std.resnet:resnet56", Purpose::predict, 853'018},
                    Case{"std.resnet:resnet110", Purpose::predict, 1'727'962},
                    Case{"std.googlenet:googlenet", Purpose::train, 13'004'888}, Case{"std.googlenet:googlenet", Purpose::predict, 6'624'904},
                    Case{"std.googlenet:googlenet_paper", Purpose::predict, 7'005'832}, Case{"std.vgg:vgg11", Purpose::predict, 132'863'336},
                    Case{"std.vgg:vgg16", Purpose::predict, 138'357'544}, Case{"std.lenet", Purpose::predict, 61'706},
                    Case{"std.mlp", Purpose::train, 118'282}),
    [](const testing::TestParamInfo<Case>& at) {
      std::string name = at.param.reference + std::string(at.param.purpose == Purpose::train ? "_train" : "");
      for (char& c : name)
        if (c == '.' || c == ':') c = '_';
      return name;
    });

}  // namespace
}  // namespace netc
