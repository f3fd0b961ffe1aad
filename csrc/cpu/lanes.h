// Sixteen floats at once, and floats of 16 bits as such.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/simd.h"

namespace fastclipgen::cpu {

constexpr int kLanes = 16;

struct Lanes {
#if defined(__GNUC__)  // and clang
    typedef float Vector __attribute__((vector_size(kLanes * sizeof(float))));
    Vector lane = {};
#else
    float lane[kLanes] = {};
#endif

    FASTCLIPGEN_INLINE void load(const float* from) { std::memcpy(&lane, from, sizeof lane); }

    FASTCLIPGEN_INLINE void add_product(const Lanes& a, const Lanes& b) {
#if defined(__GNUC__)
        lane += a.lane * b.lane;
#else
        for (int i = 0; i < kLanes; ++i) lane[i] += a.lane[i] * b.lane[i];
#endif
    }

    // In pairs, whose rounding errors grow slowest.
    FASTCLIPGEN_INLINE float sum() const {
        float part[kLanes];
        std::memcpy(part, &lane, sizeof part);
        for (int width = kLanes / 2; width > 0; width /= 2) {
            for (int i = 0; i < width; ++i) part[i] += part[i + width];
        }
        return part[0];
    }
};

FASTCLIPGEN_INLINE void from_bf16(const uint16_t* from, int64_t n, float* out) {
    for (int64_t i = 0; i < n; ++i) {
        const uint32_t bits = static_cast<uint32_t>(from[i]) << 16;
        std::memcpy(out + i, &bits, sizeof bits);
    }
}

FASTCLIPGEN_INLINE void from_fp16(const uint16_t* from, int64_t n, float* out) {
    for (int64_t i = 0; i < n; ++i) {
        const uint32_t sign = static_cast<uint32_t>(from[i] & 0x8000u) << 16, rest = from[i] & 0x7FFFu;
        const uint32_t small = rest << 13;  // its exponent is 112 too small, which a product mends, subnormals too
        float value;
        std::memcpy(&value, &small, sizeof value);
        value *= 0x1p112f;
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        bits = (rest >= 0x7C00u ? small | 0x7F800000u : bits) | sign;  // infinity and NaN keep the largest exponent
        std::memcpy(out + i, &bits, sizeof bits);
    }
}

}  // namespace fastclipgen::cpu
