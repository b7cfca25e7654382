// Which axes of a kernel are split, and in what order its physical axes run.
#pragma once

#include "compiler/lower/layout.h"

namespace netc {

// The axes of a nest whose parallel dimensions lie like this.
PhysicalSpace space_of(const Layout& layout);
// The layout, without halo, of something stored at every point of a space.
Layout layout_of(const PhysicalSpace& space);

// For a body without contraction: axes run in the order in which a result lies, and are split where it lies in blocks; also where an
// operand does whose channels they run over, if that needs no padding lanes.
PhysicalSpace choose_space(const KernelBody& body, const std::vector<OperandForm>& forms);

// Whether a kernel with this space over parallel axes of these extents can store in the layout: padding lanes of the space are
// padding lanes of the layout, and what lies in blocks there is split here.
bool can_store(const PhysicalSpace& space, const Shape& extents, const Layout& layout);

}  // namespace netc
