// How far the fast score of a code may be from the truth, for C++ and CUDA (and, written once more, for Triton).
//
// score = |e|^2 / 2 - z.e orders codes as the distance does: |z - e|^2 = |z|^2 + 2 score. The fast score takes z.e from
// rounded copies z', e' (bfloat16, or float32 itself) and adds products in float32. With dz = z - z', de = e - e', by
// Cauchy-Schwarz and the usual bound of a sum of D products (N. Higham, "Accuracy and Stability of Numerical
// Algorithms", 2nd edition, section 3.1),
//   |fast z.e - z.e| <= |dz| |e| + |z'| |de| + accumulation |z'| |e'|.
// With reach = row.own + rounding * row.norm, rounding being the largest |de| / |e| of the codes at hand,
//   lower = (half_square - fast z.e) - reach * norm  <=  score  <=  lower + width(reach, code),
// where every operation on the left is one of float32. kSlack pays for the rounding of those; kTiny for underflow.
//
// What decides in the end are distances in double, which cannot tell apart scores closer than about 2^-52 |z|^2. So
// that a code can be left out only where double agrees, row.blur is added to upper bounds before they become limits.
#pragma once

#include <cmath>
#include <cstdint>

#include "host_device.h"

namespace fastclipgen::vq {

constexpr double kSlack = 0x1p-21;
constexpr double kTiny = 0x1p-48;
constexpr double kLargest = 1e18;           // a norm beyond this has no bound: squares overflow float32
constexpr double kRoundUp = 1.0 + 0x1p-22;  // a conversion to float32 takes away less

// Errors of the sum of `depth` products, relative to the norms. Twice what IEEE additions need, in any order.
FASTCLIPGEN_HD double ieee_accumulation(int64_t depth) { return static_cast<double>(depth) * 0x1p-23; }
// Tensor cores cut instead of rounding and align the terms of one instruction (M. Fasi et al., "Numerical behavior of
// NVIDIA tensor cores", 2021): less than 2^-21 of the largest partial sum for each term; 2^-19 leaves room.
FASTCLIPGEN_HD double tensor_core_accumulation(int64_t depth) { return static_cast<double>(depth) * 0x1p-19; }

struct CodeTerms {
    float half_square;  // |e|^2 / 2, a little less; -inf: always a candidate; +inf: never one
    float norm;         // |e|, a little more
    float rounding;     // |de| / |e|, rounded up
};

struct RowTerms {
    float own;   // +inf: every code is a candidate; -inf: none is
    float norm;  // |z|, a little more
    float blur;
};

// square = |e|^2 and rounding_square = |de|^2, in double.
FASTCLIPGEN_HD CodeTerms code_terms(double square, double rounding_square) {
    if (!(square < INFINITY)) return {INFINITY, 0.0f, 0.0f};  // an element is not finite: no distance to it is
    const double norm = sqrt(square) + kTiny;
    if (norm > kLargest) return {-INFINITY, 1.0f, 0.0f};
    return {static_cast<float>(0.5 * square * (1.0 - kSlack)), static_cast<float>(norm * kRoundUp),
            static_cast<float>(sqrt(rounding_square) / norm * kRoundUp)};
}

// square = |z|^2 and rounding_square = |dz|^2, in double.
FASTCLIPGEN_HD RowTerms row_terms(double square, double rounding_square, double accumulation, int64_t depth) {
    if (!(square < INFINITY)) return {-INFINITY, 0.0f, 0.0f};
    const double norm = sqrt(square) + kTiny;
    if (norm > kLargest) return {INFINITY, 0.0f, 0.0f};
    // 1.02: |z'| |e'| against |z| |e|, each at most 2^-8 larger
    const double own = sqrt(rounding_square) + (1.02 * accumulation + kSlack) * norm;
    // a sum of D squares of differences, at most 2 |z|^2 + 2 |e|^2, errs by (D + 2) 2^-53 of itself; kSlack pays for
    // |e|^2
    const double blur = static_cast<double>(depth + 4) * 0x1p-51 * square;
    return {static_cast<float>(own * kRoundUp), static_cast<float>(norm * 1.01), static_cast<float>(blur)};
}

FASTCLIPGEN_HD float width(float reach, float half_square, float norm) {
    return 2.25f * (reach * norm + static_cast<float>(kSlack) * half_square);
}

}  // namespace fastclipgen::vq
