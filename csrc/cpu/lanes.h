// Sixteen floats at once, and functions compiled for several processors of which the running one takes its best.
#pragma once

#include <cstdint>
#include <cstring>

// The wheel runs on any x86-64; glibc's loader picks the version. Elsewhere there is one (arm64 always has NEON).
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
#define FASTCLIPGEN_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FASTCLIPGEN_CLONES
#endif

// What a cloned function calls has to be compiled into it: a function apart exists for the oldest processor only.
#if defined(__GNUC__)
#define FASTCLIPGEN_INLINE __attribute__((always_inline)) inline
#elif defined(_MSC_VER)
#define FASTCLIPGEN_INLINE __forceinline
#else
#define FASTCLIPGEN_INLINE inline
#endif

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
