// Layouts alone: what extents they have, where elements lie, and which are refused.
#include "compiler/base/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "compiler/base/error.h"

namespace netc {
namespace {

using Part = LayoutDim::Part;

// nChw16c with a column of zeros on both sides of a row.
Layout image_with_halo() {
  Layout layout = blocked_layout(4, {1});
  layout.dims[3].before = layout.dims[3].after = 1;
  return layout;
}

TEST(Layout, DenseIsRowMajor) {
  const Shape shape{2, 3, 4};
  for (const Layout& layout : {Layout{}, dense_layout(3)}) {
    EXPECT_EQ(physical_shape(layout, shape), shape);
    EXPECT_EQ(first_element(layout, shape), 0);
    EXPECT_FALSE(has_padding(layout, shape));
    const std::vector<int64_t> positions = element_positions(layout, shape);
    ASSERT_EQ(positions.size(), 24U);
    for (size_t i = 0; i < positions.size(); ++i) EXPECT_EQ(positions[i], static_cast<int64_t>(i));
  }
  EXPECT_TRUE(Layout{}.dense());
  EXPECT_FALSE(dense_layout(3).dense()) << "dims are given, even if they say the same";
}

TEST(Layout, OrderOfDimensionsIsTheOrderInMemory) {
  Layout nhwc;
  for (int d : {0, 2, 3, 1}) nhwc.dims.push_back({Part::whole, d});
  const Shape shape{2, 3, 4, 5};
  EXPECT_EQ(physical_shape(nhwc, shape), (Shape{2, 4, 5, 3}));
  const std::vector<int64_t> positions = element_positions(nhwc, shape);
  size_t i = 0;
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t h = 0; h < 4; ++h)
        for (int64_t w = 0; w < 5; ++w) EXPECT_EQ(positions[i++], ((n * 4 + h) * 5 + w) * 3 + c);
}

TEST(Layout, BlocksWithPaddingLanes) {
  const Layout layout = blocked_layout(4, {1});
  const Shape shape{2, 20, 3, 5};
  EXPECT_EQ(interior_shape(layout, shape), (Shape{2, 2, 3, 5, 16}));
  EXPECT_EQ(physical_shape(layout, shape), interior_shape(layout, shape));
  EXPECT_TRUE(has_padding(layout, shape)) << "20 channels do not fill two blocks";
  EXPECT_FALSE(has_padding(layout, {2, 32, 3, 5}));
  const std::vector<int64_t> positions = element_positions(layout, shape);
  size_t i = 0;
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t c = 0; c < 20; ++c)
      for (int64_t h = 0; h < 3; ++h)
        for (int64_t w = 0; w < 5; ++w) EXPECT_EQ(positions[i++], (((n * 2 + c / 16) * 3 + h) * 5 + w) * 16 + c % 16);
}

TEST(Layout, HaloComesBeforeTheFirstElement) {
  const Layout layout = image_with_halo();
  const Shape shape{1, 16, 2, 5};
  EXPECT_EQ(interior_shape(layout, shape), (Shape{1, 1, 2, 5, 16}));
  EXPECT_EQ(physical_shape(layout, shape), (Shape{1, 1, 2, 7, 16}));
  EXPECT_TRUE(has_padding(layout, shape));
  EXPECT_EQ(first_element(layout, shape), 16);
  EXPECT_EQ(element_positions(layout, shape).front(), first_element(layout, shape));
  EXPECT_EQ(element_positions(layout, shape).back(), 2 * 7 * 16 - 16 - 1);
}

TEST(Layout, WeightsHaveTwoSplitDimensions) {
  Layout layout;
  layout.dims = {{Part::outer, 0}, {Part::outer, 1}, {Part::whole, 2}, {Part::whole, 3}, {Part::inner, 1}, {Part::inner, 0}};
  const Shape shape{33, 17, 3, 2};
  verify(layout, shape);
  EXPECT_EQ(physical_shape(layout, shape), (Shape{3, 2, 3, 2, 16, 16}));
  const std::vector<int64_t> positions = element_positions(layout, shape);
  size_t i = 0;
  for (int64_t k = 0; k < 33; ++k)
    for (int64_t c = 0; c < 17; ++c)
      for (int64_t y = 0; y < 3; ++y)
        for (int64_t x = 0; x < 2; ++x)
          EXPECT_EQ(positions[i++], ((((k / 16 * 2 + c / 16) * 3 + y) * 2 + x) * 16 + c % 16) * 16 + k % 16);
  EXPECT_TRUE(splits(layout, 0));
  EXPECT_TRUE(splits(layout, 1));
  EXPECT_FALSE(splits(layout, 2));
}

TEST(Layout, EveryElementHasAPlaceOfItsOwn) {
  for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{2, 5, 3, 4}, Shape{3, 16, 1, 7}, Shape{1, 40, 2, 2}})
    for (const Layout& layout : {Layout{}, blocked_layout(4, {1}), blocked_layout(4, {1}, 8), blocked_layout(4, {0, 1}), image_with_halo()}) {
      const std::vector<int64_t> positions = element_positions(layout, shape);
      const std::set<int64_t> places(positions.begin(), positions.end());
      EXPECT_EQ(static_cast<int64_t>(places.size()), element_count(shape)) << to_string(layout);
      EXPECT_EQ(*places.begin(), first_element(layout, shape)) << to_string(layout);
      EXPECT_LT(*places.rbegin(), element_count(physical_shape(layout, shape))) << to_string(layout);
    }
}

TEST(Layout, Text) {
  EXPECT_EQ(to_string(Layout{}), "dense");
  EXPECT_EQ(to_string(dense_layout(2)), "[d0, d1]");
  EXPECT_EQ(to_string(image_with_halo()), "[d0, d1/16, d2, d3-1+1, d1%16]");
  EXPECT_EQ(to_string(blocked_layout(2, {1}, 8)), "[d0, d1/8, d1%8]");
}

TEST(Layout, RefusesWhatIsNoLayout) {
  const Shape shape{2, 16, 3};
  const auto refused = [&](std::vector<LayoutDim> dims, int64_t block = 16) {
    Layout layout;
    layout.dims = std::move(dims);
    layout.block = block;
    EXPECT_THROW(verify(layout, shape), InternalError) << to_string(layout);
  };
  verify(Layout{}, shape);
  verify(blocked_layout(3, {1}), shape);
  refused({{Part::whole, 0}, {Part::whole, 1}});                                            // one is missing
  refused({{Part::whole, 0}, {Part::whole, 1}, {Part::whole, 2}, {Part::whole, 2}});        // one lies twice
  refused({{Part::whole, 0}, {Part::outer, 1}, {Part::whole, 2}});                          // half of one
  refused({{Part::whole, 0}, {Part::whole, 1}, {Part::whole, 2}, {Part::inner, 1}});        // whole and in blocks
  refused({{Part::whole, 0}, {Part::whole, 1}, {Part::whole, 3}});                          // a dimension that there is not
  refused({{Part::whole, 0}, {Part::outer, 1, 1, 0}, {Part::whole, 2}, {Part::inner, 1}});  // blocks have no halo
  refused({{Part::whole, 0}, {Part::whole, 1}, {Part::whole, 2, -1, 0}});
  refused({{Part::whole, 0}, {Part::outer, 1}, {Part::whole, 2}, {Part::inner, 1}}, 0);
}

}  // namespace
}  // namespace netc
