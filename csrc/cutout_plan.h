// What the cutouts kernels are told: sizes, options and arrays. The meaning of every entry is that of CutoutSpec and
// CutoutParams in fastclipgen/ops; fastclipgen/ops/cutout_kernels.py fills the plan.
#pragma once

#include <cstdint>

#include "philox.h"

namespace fastclipgen {

enum class Padding : int { kZeros = 0, kBorder = 1, kReflection = 2, kColour = 3, kEach = 4 };
enum class Noise : int { kNone = 0, kNormal = 1, kUniform = 2 };

struct CutoutPlan {
    int batch, views;   // B, N
    int height, width;  // of the pictures
    int size;           // S, of the views
    int patch;          // 0: views are [B*N, 3, S, S]; p: [B*N, (S/p)^2, 3*p*p], the perceptor's patches
    int low, high;      // the mip levels that views are blended from
    Padding padding;
    Noise noise;
    bool exact;                                 // whole-pixel crops: one tap for each pixel
    bool perspective;                           // the last row of the matrices is not (0, 0, 1)
    bool brightness_contrast, saturation, hue;  // which colour stages there are
    bool erasing, clamp;
    float fill[3];  // around the picture, for Padding::kColour; padding kEach: CutoutArrays::around has it
    float mean[3], inverse_std[3];

    FASTCLIPGEN_HD bool has_colour() const { return brightness_contrast || saturation || hue; }
    // Whether the gradient of a view depends on its values, so that the backward must draw the view again.
    FASTCLIPGEN_HD bool nonlinear() const { return has_colour() || clamp; }
};

struct CutoutArrays {
    const float* matrix;       // [B, N, 3, 3]
    const float* colour;       // [B, N, 4]
    const float* erase;        // [B, N, 4]
    const float* noise_scale;  // [B, N]
    const float* around;       // [B, N, 4]: Padding and fill of each view, for Padding::kEach; else null
    const int64_t* seeds;      // [B]
};

// What lies around the picture for one view.
struct Surroundings {
    Padding padding;  // never kEach
    float fill[3];
};

// view: its number in the batch.
FASTCLIPGEN_HD Surroundings surroundings_of(const CutoutPlan& plan, const CutoutArrays& arrays, int64_t view) {
    if (plan.padding != Padding::kEach) return {plan.padding, {plan.fill[0], plan.fill[1], plan.fill[2]}};
    const float* around = arrays.around + 4 * view;
    return {static_cast<Padding>(static_cast<int>(around[0])), {around[1], around[2], around[3]}};
}

// The counter's last word for noise: Stream.NOISE of fastclipgen/ops/philox.py.
constexpr uint32_t kNoiseStream = 4;
// Perspective divisors are bounded below by this: MIN_W of fastclipgen/ops/cutout_warp.py.
constexpr float kMinW = 0.05f;

}  // namespace fastclipgen
