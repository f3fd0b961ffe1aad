// Loads and stores of a dtype that is the same for a whole launch.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "cuda/cutouts.h"

namespace fastclipgen::cuda {

__device__ __forceinline__ float load_real(const void* data, int64_t at, Dtype dtype) {
    if (dtype == Dtype::kFloat32) return __ldg(static_cast<const float*>(data) + at);
    if (dtype == Dtype::kBfloat16) return __bfloat162float(__ldg(static_cast<const __nv_bfloat16*>(data) + at));
    return __half2float(__ldg(static_cast<const __half*>(data) + at));
}

__device__ __forceinline__ void store_real(void* data, int64_t at, Dtype dtype, float value) {
    if (dtype == Dtype::kFloat32) {
        static_cast<float*>(data)[at] = value;
    } else if (dtype == Dtype::kBfloat16) {
        static_cast<__nv_bfloat16*>(data)[at] = __float2bfloat16_rn(value);
    } else {
        static_cast<__half*>(data)[at] = __float2half_rn(value);
    }
}

}  // namespace fastclipgen::cuda
