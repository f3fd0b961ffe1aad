// Where a view's pixel lies in the picture, and which pixels it reads: the per-pixel twin of ops/cutout_warp.py, for
// C++ and CUDA. Branchless, so that compilers turn loops over pixels into vectors.
#pragma once

#include <cmath>

#include "cutout_plan.h"

namespace fastclipgen {

FASTCLIPGEN_HD float smaller(float a, float b) { return b < a ? b : a; }
FASTCLIPGEN_HD float larger(float a, float b) { return b > a ? b : a; }

struct Point {
    float x, y;
};

// A product and a sum that nvcc may not contract: the geometry of a view has the same bits on every device.
FASTCLIPGEN_HD float product_of(float a, float b) {
#ifdef __CUDA_ARCH__
    return __fmul_rn(a, b);
#else
    return a * b;
#endif
}
FASTCLIPGEN_HD float sum_of(float a, float b) {
#ifdef __CUDA_ARCH__
    return __fadd_rn(a, b);
#else
    return a + b;
#endif
}

// Continuous source coordinates of the pixel centre (px, py) of a view; m is its 3x3 matrix.
FASTCLIPGEN_HD Point source_point(const float* m, float px, float py, bool perspective) {
    const float x = sum_of(sum_of(product_of(m[0], px), product_of(m[1], py)), m[2]);
    const float y = sum_of(sum_of(product_of(m[3], px), product_of(m[4], py)), m[5]);
    if (!perspective) return {x, y};
    const float w = sum_of(sum_of(product_of(m[6], px), product_of(m[7], py)), m[8]);
    const float bounded = w < kMinW ? kMinW : w;
    return {x / bounded, y / bounded};
}

// The two neighbours that a position along one axis lies between, and how much each counts.
struct Taps {
    int first, second;  // always inside 0..length-1
    float weight0, weight1;
};

// position: continuous, 0..length inside the picture. What is outside counts 0 for zeros and colour.
FASTCLIPGEN_HD Taps taps_of(float position, int length, Padding padding) {
    const float last = static_cast<float>(length - 1);
    float at = position - 0.5f;
    if (padding == Padding::kReflection) {
        const float turn = 2.0f * static_cast<float>(length);
        const float rest = position - std::floor(position / turn) * turn;
        at = static_cast<float>(length) - std::fabs(rest - static_cast<float>(length)) - 0.5f;
    }
    const bool open = padding == Padding::kZeros || padding == Padding::kColour;
    const float low = open ? -2.0f : 0.0f, high = open ? last + 2.0f : last;
    at = at > low ? at : low;  // NaN becomes `low`
    at = at < high ? at : high;
    // All in float, and without short-circuits: integers and branches would keep compilers from making vectors.
    const float left = std::floor(at), right = left + 1.0f;
    const float part = at - left;
    const float bounded_left = larger(left, 0.0f), bounded_right = larger(right, 0.0f);
    Taps taps;
    taps.weight0 = (bounded_left == left ? 1.0f : 0.0f) * (left <= last ? 1.0f : 0.0f) * (1.0f - part);
    taps.weight1 = (bounded_right == right ? 1.0f : 0.0f) * (right <= last ? 1.0f : 0.0f) * part;
    taps.first = static_cast<int>(smaller(bounded_left, last));
    taps.second = static_cast<int>(smaller(bounded_right, last));
    return taps;
}

// Each mip level halves the picture, rounding up.
FASTCLIPGEN_HD int mip_length(int length, int level) { return ((length - 1) >> level) + 1; }

// The mip level of a view from its scale at the centre: view_levels of ops/cutout_warp.py.
FASTCLIPGEN_HD float view_level(const float* m, int size) {
    const float half = 0.5f * static_cast<float>(size);
    const float x = (m[0] + m[1]) * half + m[2], y = (m[3] + m[4]) * half + m[5];
    const float determinant = (m[0] - x * m[6]) * (m[4] - y * m[7]) - (m[1] - x * m[7]) * (m[3] - y * m[6]);
    const float area = std::fabs(determinant);
    const float level = 0.5f * std::log2(area > 1.0f ? area : 1.0f);
    constexpr float kSharpStart = 0.32192809f;  // log2 of the scale 1.25, below which bilinear sampling hardly aliases
    const float eased = (level - kSharpStart) / (1.0f - kSharpStart);
    return level >= 1.0f ? level : (eased > 0.0f ? eased : 0.0f);
}

// How much mip level `level` counts in a view of level `wanted`.
FASTCLIPGEN_HD float level_share(const CutoutPlan& plan, float wanted, int level) {
    if (plan.low == plan.high) return 1.0f;
    const float low = static_cast<float>(plan.low), high = static_cast<float>(plan.high);
    const float bounded = wanted < low ? low : (wanted > high ? high : wanted);
    const float share = 1.0f - std::fabs(bounded - static_cast<float>(level));
    return share > 0.0f ? share : 0.0f;
}

// Place of channel c of pixel (x, y) in a view of the output.
FASTCLIPGEN_HD int64_t view_offset(const CutoutPlan& plan, int channel, int y, int x) {
    if (plan.patch == 0) return (static_cast<int64_t>(channel) * plan.size + y) * plan.size + x;
    const int p = plan.patch;
    const int64_t cell = static_cast<int64_t>(y / p) * (plan.size / p) + x / p;
    return ((cell * 3 + channel) * p + y % p) * p + x % p;
}

}  // namespace fastclipgen
