// Standard normals from Philox words by Box and Muller (1958), as `normals` of fastclipgen/ops/philox.py, for C++ and
// CUDA. Own logarithm and sine: branchless, so loops become vectors, and equal up to rounding on every device.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "philox.h"

namespace fastclipgen {

// log(v) for v in (0, 1]: v = 2^e * m with m in [sqrt(1/2), sqrt(2)), then S. Moshier's polynomial (cephes logf).
FASTCLIPGEN_HD float log_of(float v) {
    uint32_t bits;
    std::memcpy(&bits, &v, 4);
    const uint32_t shifted = bits - 0x3F3504F3u;  // of sqrt(1/2)
    const float exponent = static_cast<float>(static_cast<int32_t>(shifted) >> 23);
    const uint32_t mantissa = (shifted & 0x007FFFFFu) + 0x3F3504F3u;
    float m;
    std::memcpy(&m, &mantissa, 4);
    const float x = m - 1.0f, z = x * x;
    float p = 7.0376836292e-2f;
    p = p * x - 1.1514610310e-1f;
    p = p * x + 1.1676998740e-1f;
    p = p * x - 1.2420140846e-1f;
    p = p * x + 1.4249322787e-1f;
    p = p * x - 1.6668057665e-1f;
    p = p * x + 2.0000714765e-1f;
    p = p * x - 2.4999993993e-1f;
    p = p * x + 3.3333331174e-1f;
    const float tail = p * x * z + exponent * -2.12194440e-4f - 0.5f * z;
    return x + tail + exponent * 0.693359375f;
}

struct Pair {
    float cosine, sine;
};

// The cosine and the sine of `turns` full circles, turns in [0, 1).
FASTCLIPGEN_HD Pair circle(float turns) {
    const float quarter = std::floor(turns * 4.0f + 0.5f);
    const float angle = (turns - quarter * 0.25f) * 6.28318530718f;  // the difference is exact; |angle| <= pi / 4
    const float z = angle * angle;
    const float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * angle + angle;
    const float c =
        ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
    const int quadrant = static_cast<int>(quarter) & 3;
    const float swapped_cos = quadrant & 1 ? s : c, swapped_sin = quadrant & 1 ? c : s;
    return {quadrant == 1 || quadrant == 2 ? -swapped_cos : swapped_cos, quadrant >= 2 ? -swapped_sin : swapped_sin};
}

FASTCLIPGEN_HD float uniform_of(uint32_t word) { return static_cast<float>(word >> 8) * (1.0f / 16777216.0f); }

// Two normals from two words.
FASTCLIPGEN_HD Pair normal_pair(uint32_t first, uint32_t second) {
    const float radius = std::sqrt(-2.0f * log_of(uniform_of(first) + 1.0f / 16777216.0f));
    const Pair on_circle = circle(uniform_of(second));
    return {radius * on_circle.cosine, radius * on_circle.sine};
}

}  // namespace fastclipgen
