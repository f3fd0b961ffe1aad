// bfloat16 of the emulated CUDA: the upper half of a float, rounded to nearest even.
#pragma once

#include <cuda_runtime.h>

struct __nv_bfloat16 {
    uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 v) {
    const uint32_t bits = static_cast<uint32_t>(v.bits) << 16;
    float out;
    std::memcpy(&out, &bits, 4);
    return out;
}
inline __nv_bfloat16 __float2bfloat16_rn(float v) {
    const uint32_t bits = __float_as_uint(v);
    if (v != v) return {0x7FFF};
    return {static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)};
}
