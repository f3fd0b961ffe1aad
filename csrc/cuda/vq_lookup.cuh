// What the kernels of the vq_*.cu files share and hand to each other.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/vq_lookup.h"
#include "vq_bound.h"

namespace fastclipgen::cuda {

constexpr int kWarp = 32;
constexpr int kGroup = 32;  // codes that share one pair of bounds
constexpr int kTile = 128;  // rows, and codes, of a tile of scores
constexpr int kStep = 32;   // features that are multiplied at once
constexpr unsigned kAll = 0xFFFFFFFFu;

// z and the codebook, rounded to bfloat16 and padded with zeros to whole tiles, and what bounds need to know of them.
struct Packed {
    __nv_bfloat16* lines;  // [padded rows, padded depth]
    float* first;          // [padded rows]: own of a row, half_square of a code (vq_bound.h)
    float* norm;
    float* third;  // blur of a row, rounding of a code
};

__host__ __device__ inline int64_t padded(int64_t size, int64_t multiple) {
    return (size + multiple - 1) / multiple * multiple;
}

inline int64_t groups_of(int64_t codes) { return (codes + kGroup - 1) / kGroup; }

// Blocks of `threads` threads that hold so many warps.
inline unsigned blocks(int64_t warps, int threads) {
    return static_cast<unsigned>((warps * kWarp + threads - 1) / threads);
}

// The last kernel of vq_topk: lowers and uppers [rows, groups] are the least bounds of each row and group.
void vq_select(const Matrix& z, const Matrix& codebook, int k, const float* lowers, const float* uppers,
               float* distances, int64_t* indices, cudaStream_t stream);

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ __forceinline__ float to_float(__half value) { return __half2float(value); }

// Every lane gets the sum over all lanes, in an order that does not change.
__device__ __forceinline__ double warp_sum(double value) {
    for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAll, value, step);
    return value;
}

}  // namespace fastclipgen::cuda
