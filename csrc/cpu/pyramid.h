// A picture and its mip levels with four floats a pixel, and the way back for gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/cutout_lanes.h"
#include "cutout_plan.h"

namespace fastclipgen::cpu {

// Floats that the levels low..high of one picture take, with those below `low` that lead there.
int64_t pyramid_floats(const CutoutPlan& plan);

// The levels 0..high of the picture whose floats begin at `data`.
std::vector<Level> pyramid_levels(const CutoutPlan& plan, float* data);

// Level 0 from a picture [3, height, width], and each further one as 2x2 means; rows and columns that are left over
// are averaged alone. `threads` share the rows.
void build_pyramid(const CutoutPlan& plan, const float* picture, const std::vector<Level>& levels, int threads);

// The transpose: adds each level's gradient to the finer one, and writes that of level 0 as [3, height, width].
void fold_pyramid(const CutoutPlan& plan, const std::vector<Level>& levels, float* gradient, int threads);

}  // namespace fastclipgen::cpu
