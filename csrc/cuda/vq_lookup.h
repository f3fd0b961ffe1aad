// The nearest rows of a codebook on a CUDA device. No CUDA type here, so that plain C++ can include it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastclipgen::cuda {

struct Matrix {
    const void* data;
    int element;  // 0: float32, 1: bfloat16, 2: float16
    int64_t rows, columns;
    int64_t row_stride, column_stride;  // in elements
};

// Bytes of scratch memory that vq_topk needs.
size_t vq_topk_scratch(int64_t rows, int64_t codes, int64_t depth);

// For each of the N rows of z the k (1 to 16) nearest of the K rows of the codebook: indices[N, k] and, where not null,
// squared distances[N, k], by distance, then by index, both as sums in double tell; a distance that is not finite
// counts as infinite. All pointers are device pointers; queued on `stream_handle` (a cudaStream_t). N and K of 1 or
// more. scratch: vq_topk_scratch bytes, aligned to 256. Throws std::runtime_error when a launch fails.
void vq_topk(const Matrix& z, const Matrix& codebook, int k, float* distances, int64_t* indices, void* scratch,
             int device, void* stream_handle);

// sums[codes, D]: for each code c the sum of the rows order[begins[c]] .. order[begins[c + 1] - 1] of z, added in
// double in this order. Otherwise as vq_topk.
void vq_add_rows(const Matrix& z, const int64_t* order, const int64_t* begins, int64_t codes, float* sums, int device,
                 void* stream_handle);

}  // namespace fastclipgen::cuda
