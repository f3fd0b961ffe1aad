// The mip levels of the pictures in the workspace, and the way back for gradients.
//
// Levels hold four floats a pixel (red, green, blue, unused): a tap is one load of 16 bytes instead of three loads of 4
// from planes far apart, so a third of the load instructions and address arithmetic, which is what bounds these
// kernels. It costs one pass: for a picture of 224 x 224 float32, 0.6 MB read and 0.8 MB written (1.1 MB with all
// levels), where 32 bfloat16 views of it are 9.6 MB written.
#pragma once

#include <cstdint>
#include <cstring>

#include "cuda/cutouts.h"
#include "cutout_geometry.h"

namespace fastclipgen::cuda {

constexpr int kLevelsAtOnce = 5;  // made by one launch from the level below them: blocks of 32 x 32 pixels

// Levels are stored from the lowest that views read on; above level 5, also those that lead there.
FASTCLIPGEN_HD int first_level(const CutoutPlan& plan) { return plan.low < kLevelsAtOnce ? plan.low : kLevelsAtOnce; }

struct Level {
    int64_t start;  // in pixels, within the picture's part of the workspace
    int height, width;
};

FASTCLIPGEN_HD Level level_of(const CutoutPlan& plan, int k) {
    int64_t start = 0;
    for (int j = first_level(plan); j < k; ++j) {
        start += static_cast<int64_t>(mip_length(plan.height, j)) * mip_length(plan.width, j);
    }
    return {start, mip_length(plan.height, k), mip_length(plan.width, k)};
}

// Pixels of all stored levels of one picture.
FASTCLIPGEN_HD int64_t pyramid_pixels(const CutoutPlan& plan) { return level_of(plan, plan.high + 1).start; }

// The levels of all pictures, [B, pyramid_pixels, 4] float.
void build_pyramid(const CutoutPlan& plan, const Pictures& pictures, float* pyramid, void* stream);

// Gradients to the levels, as float or as multiples of a power of two (see fixed_exponent).
struct Sums {
    void* data;         // [B, pyramid_pixels, 4] float or int64
    uint32_t* largest;  // [B]; null for float sums
};

// The transpose of build_pyramid: `gradient` is [B, 3, H, W] contiguous.
void fold_pyramid(const CutoutPlan& plan, const Sums& sums, void* gradient, Dtype dtype, void* stream);

// The power of two above a float: v < 2^exponent_above(bits of v), for positive finite v.
FASTCLIPGEN_HD int exponent_above(uint32_t bits) { return static_cast<int>(bits >> 23) - 126; }

// Integer sums of a picture count in units of 2^-exponent. largest: the bits of the largest |gradient| of its views'
// pixels. No pixel sums more than all pixels of all views with weight 1 each, so 2^62 is never passed; and the unit is
// at most 2^-36 of the largest gradient for 64 views of 512 x 512.
FASTCLIPGEN_HD int fixed_exponent(const CutoutPlan& plan, uint32_t largest) {
    const float count = static_cast<float>(plan.views) * static_cast<float>(plan.size) * static_cast<float>(plan.size);
    uint32_t count_bits;
    std::memcpy(&count_bits, &count, 4);
    const int exponent = 62 - exponent_above(largest) - exponent_above(count_bits);
    return exponent < -126 ? -126 : (exponent > 126 ? 126 : exponent);  // a normal float
}
constexpr uint32_t kInfinityBits = 0x7F800000u;  // `largest` from here on: infinite or NaN

}  // namespace fastclipgen::cuda
