// Sums of the rows of each code: one block a code, one thread a feature, rows in their order.
#include "cuda/device.h"
#include "cuda/vq_lookup.cuh"

namespace fastclipgen::cuda {
namespace {

constexpr int kThreads = 128;

template <typename T>
__global__ void __launch_bounds__(kThreads)
    add_rows_kernel(const T* __restrict__ z, int64_t row_stride, int64_t column_stride, int64_t depth,
                    const int64_t* __restrict__ order, const int64_t* __restrict__ begins, float* __restrict__ sums) {
    const int64_t code = blockIdx.x;
    const int64_t begin = begins[code], end = begins[code + 1];
    for (int64_t d = threadIdx.x; d < depth; d += kThreads) {
        double sum = 0.0;
        for (int64_t i = begin; i < end; ++i) sum += to_float(z[order[i] * row_stride + d * column_stride]);
        sums[code * depth + d] = static_cast<float>(sum);
    }
}

template <typename T>
void launch(const Matrix& z, const int64_t* order, const int64_t* begins, int64_t codes, float* sums,
            cudaStream_t stream) {
    add_rows_kernel<T><<<static_cast<unsigned>(codes), kThreads, 0, stream>>>(
        static_cast<const T*>(z.data), z.row_stride, z.column_stride, z.columns, order, begins, sums);
    check(cudaGetLastError(), "vq_add_rows");
}

}  // namespace

void vq_add_rows(const Matrix& z, const int64_t* order, const int64_t* begins, int64_t codes, float* sums, int device,
                 void* stream_handle) {
    const OnDevice guard(device, "vq_add_rows");
    const auto run = z.element == 0 ? launch<float> : z.element == 1 ? launch<__nv_bfloat16> : launch<__half>;
    run(z, order, begins, codes, sums, static_cast<cudaStream_t>(stream_handle));
}

}  // namespace fastclipgen::cuda
