// The prompt loss of fastclipgen/ops/cosine_loss.py: what a call consists of, and the distances of two unit vectors as
// functions of their cosine, for C++ and CUDA.
#pragma once

#include <cmath>
#include <cstdint>

#include "host_device.h"

namespace fastclipgen {

// In the order of KINDS and of the float dtypes in ops/cosine_loss_kernels.py.
enum class Kind : int { cosine = 0, spherical = 1, l1 = 2, l2 = 3 };
enum class Float : int { fp32 = 0, bf16 = 1, fp16 = 2 };

// B pictures of N views and P prompts, E features. Contiguous unless strides (in elements) say otherwise.
struct CosineLoss {
    int64_t batch, views, prompts, features;
    const void* embeddings;  // [B, N, E], the last stride is 1
    int64_t batch_stride, view_stride;
    Float dtype;            // of the embeddings; everything else is float
    const float* targets;   // [B, P, E]
    const float* weights;   // [B, P]
    const float* stops;     // [B, P]
    const uint8_t* active;  // [B, P], or null: all
    const float* total;     // [B] to add, or null: 0
    const float* scales;    // [B] with scale_stride, or null: 1
    int64_t scale_stride;
    float scale;
    Kind kind;
    bool prompt_mean;
    float* loss;          // [B]
    float* similarities;  // [B, N, P]
    float* gradient;      // [B, N, E] of each loss with respect to its embeddings, or null: not wanted
};

// What the weighted distances of one view of picture b are multiplied with; `count`: its prompts with a weight.
FASTCLIPGEN_HD float share_of_view(const CosineLoss& call, int64_t b, int64_t count) {
    const float scale = call.scales == nullptr ? call.scale : call.scale * call.scales[b * call.scale_stride];
    const int64_t parts = call.views * (call.prompt_mean && count > 1 ? count : 1);
    return scale / static_cast<float>(parts);
}

constexpr float kNormEps = 1e-12f;         // of torch.nn.functional.normalize
constexpr float kLargestQ = 1.0f - 1e-6f;  // beyond, the slope of asin runs off to infinity

FASTCLIPGEN_HD float sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f; }

// A distance, and its derivative by the cosine.
struct Distance {
    float value, slope;
};

FASTCLIPGEN_HD Distance cosine_distance(float cosine) { return {1.0f - cosine, -1.0f}; }

// a * b + c: one instruction on CUDA, which is compiled without contraction; in C++ the compiler's choice, for fmaf is
// a slow call where the processor may lack it.
FASTCLIPGEN_HD float multiply_add(float a, float b, float c) {
#ifdef __CUDA_ARCH__
    return fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

// asin(sqrt(z)) / sqrt(z) for z in [0, 1/4]: a polynomial fitted at Chebyshev nodes, relative error below 3e-9. It has
// no root at z = 0, so neither value nor slope of the spherical distance need a case of their own there.
FASTCLIPGEN_HD float asin_over_root(float z) {
    float r = 0.03380574658513069f;
    r = multiply_add(r, z, 0.017077859491109848f);
    r = multiply_add(r, z, 0.03111615590751171f);
    r = multiply_add(r, z, 0.04459803178906441f);
    r = multiply_add(r, z, 0.07500098645687103f);
    r = multiply_add(r, z, 0.1666666567325592f);
    return multiply_add(r, z, 1.0f);
}

// 2 * asin(sqrt(q))**2 with q = |u - t|**2 / 4 = (1 - cosine) / 2; its slope is 0 where q is cut off at either end.
FASTCLIPGEN_HD Distance spherical_distance(float cosine) {
    const float raw = 0.5f - 0.5f * cosine;
    const float q = raw < 0.0f ? 0.0f : raw > kLargestQ ? kLargestQ : raw;  // NaN stays
    float ratio;                                                            // asin(sqrt(q)) / sqrt(q)
    if (q <= 0.25f) {
        ratio = asin_over_root(q);
    } else {  // asin(x) = pi / 2 - 2 * asin(sqrt((1 - x) / 2))
        const float x = sqrtf(q), z = 0.5f - 0.5f * x;
        ratio = (1.57079632679489662f - 2.0f * sqrtf(z) * asin_over_root(z)) / x;
    }
    const bool cut = raw < 0.0f || raw > kLargestQ;
    return {2.0f * q * ratio * ratio, cut ? 0.0f : -ratio / sqrtf(1.0f - q)};
}

// |u - t|, given its square from a sum over elements: 2 - 2 * cosine would lose all digits near 0. No slope at 0.
FASTCLIPGEN_HD Distance euclidean_distance(float square) {
    const float distance = sqrtf(square);
    return {distance, distance > 0.0f ? -1.0f / distance : 0.0f};
}

// The gradient of a view is inverse length * (sum of slopes * t - back * u), for L1 with sign(u - t) in place of t.
// This is what a slope adds to `back`, over the slope: the part along u, for the unit vector does not change along the
// embedding; below kNormEps it does (not `free`), and only L2 has a part along u then. `along`: the sum of u * sign(u -
// t), for L1.
FASTCLIPGEN_HD float part_along(Kind kind, bool free, float cosine, float along) {
    if (!free) return kind == Kind::l2 ? 1.0f : 0.0f;
    return kind == Kind::l1 ? along : cosine;
}

// Whether the gradient passes: the distance times the sign of the weight is above the stop.
FASTCLIPGEN_HD bool above_stop(float distance, float weight, float stop) { return distance * sign(weight) > stop; }

}  // namespace fastclipgen
