// Cutouts on a CUDA device: the fused twin of fastclipgen/ops/cutouts.py. No CUDA type here, so that plain C++ can
// include it.
#pragma once

#include <cstdint>

#include "cutout_plan.h"

namespace fastclipgen::cuda {

enum class Dtype : int { kFloat32 = 0, kBfloat16 = 1, kFloat16 = 2 };

struct Pictures {  // [B, 3, H, W]
    const void* data;
    int64_t strides[4];  // in elements
    Dtype dtype;
};

struct Queue {
    int device;
    void* stream;  // a cudaStream_t
};

// Bytes of device memory that one call needs beside its arguments.
int64_t cutouts_workspace(const CutoutPlan& plan, bool backward, bool deterministic);

// Everything below is queued on the stream, and all pointers are device pointers; `step` too, so that a captured graph
// draws anew at every replay. Both throw std::runtime_error when a launch fails.

// Views of `dtype`, laid out as plan.patch says, from pictures.
void cutouts_forward(const CutoutPlan& plan, const CutoutArrays& arrays, const int64_t* step, const Pictures& pictures,
                     void* views, Dtype dtype, void* workspace, Queue queue);

// The gradient to the pictures, [B, 3, H, W] contiguous in their dtype, from that of the views in `dtype`.
// Whole-pixel crops are summed in the order of the views. Otherwise sums are atomic additions of floats, or, when
// deterministic, of 64-bit integers, whose order does not matter; then a gradient that is not finite makes the whole
// gradient of its picture NaN.
void cutouts_backward(const CutoutPlan& plan, const CutoutArrays& arrays, const int64_t* step, const Pictures& pictures,
                      const void* grad_views, Dtype dtype, void* grad_pictures, bool deterministic, void* workspace,
                      Queue queue);

}  // namespace fastclipgen::cuda
