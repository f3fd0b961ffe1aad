// Exact distances to the codes that bounds leave in question, and the k nearest of them; see vq_lookup.cu.
#include "cuda/device.h"
#include "cuda/vq_lookup.cuh"

namespace fastclipgen::cuda {
namespace {

constexpr int kThreads = 128;  // a warp for each row
constexpr int kAtOnce = 4;     // codes whose distances are summed side by side

// The k-th smallest of values[0 .. count - 1]; +inf where there are fewer.
__device__ float kth_smallest(const float* values, int64_t count, int k, int lane) {
    float last = -INFINITY;
    int64_t last_at = -1;
    for (int i = 0; i < k; ++i) {
        float best = INFINITY;
        int64_t best_at = count;
        for (int64_t at = lane; at < count; at += kWarp) {
            const float value = values[at];
            const bool later = value > last || (value == last && at > last_at);
            if (later && value < best) {
                best = value;
                best_at = at;
            }
        }
        for (int step = kWarp / 2; step > 0; step /= 2) {
            const float other = __shfl_xor_sync(kAll, best, step);
            const int64_t other_at = __shfl_xor_sync(kAll, best_at, step);
            if (other < best || (other == best && other_at < best_at)) {
                best = other;
                best_at = other_at;
            }
        }
        last = best;
        last_at = best_at;
    }
    return last;
}

// One warp finds the codes of one row. Lane i holds the i-th nearest so far.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    select_kernel(const T* __restrict__ z, int64_t rows, int64_t z_row, int64_t z_column,
                  const T* __restrict__ codebook, int64_t codes, int64_t code_row, int64_t code_column, int64_t depth,
                  int k, const float* __restrict__ lowers, const float* __restrict__ uppers, int64_t groups,
                  float* __restrict__ distances, int64_t* __restrict__ indices) {
    const int64_t row = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) / kWarp;
    const int lane = threadIdx.x % kWarp;
    if (row >= rows) return;
    const T* const from = z + row * z_row;
    const float limit = kth_smallest(uppers + row * groups, groups, k, lane);
    double kept = INFINITY;
    int64_t kept_code = -1;
    for (int64_t base = 0; base < groups; base += kWarp) {
        const float lower = base + lane < groups ? lowers[row * groups + base + lane] : INFINITY;
        unsigned open = __ballot_sync(kAll, lower <= limit && lower < INFINITY);
        for (; open != 0; open &= open - 1) {
            const int64_t begin = (base + __ffs(open) - 1) * kGroup;
            const int64_t end = min(begin + kGroup, codes);
            for (int64_t code = begin; code < end; code += kAtOnce) {
                double sums[kAtOnce] = {};
                for (int64_t d = lane; d < depth; d += kWarp) {
                    const double mine = to_float(from[d * z_column]);
#pragma unroll
                    for (int i = 0; i < kAtOnce; ++i) {
                        const int64_t line = min(code + i, codes - 1);
                        const double rest = mine - to_float(codebook[line * code_row + d * code_column]);
                        sums[i] += rest * rest;
                    }
                }
#pragma unroll
                for (int i = 0; i < kAtOnce; ++i) {
                    const double distance = warp_sum(sums[i]);
                    // codes come by index, so a new one goes behind those equally near; infinity and NaN go nowhere
                    const int place = __popc(__ballot_sync(kAll, kept <= distance));
                    const double above = __shfl_up_sync(kAll, kept, 1);
                    const int64_t above_code = __shfl_up_sync(kAll, kept_code, 1);
                    if (code + i < end && distance < INFINITY && lane >= place) {
                        kept = lane == place ? distance : above;
                        kept_code = lane == place ? code + i : above_code;
                    }
                }
            }
        }
    }
    // What has no finite distance comes last, by index.
    int64_t next = 0;
    for (int i = 0; i < k; ++i) {
        const double distance = __shfl_sync(kAll, kept, i);
        int64_t code = __shfl_sync(kAll, kept_code, i);
        if (!(distance < INFINITY)) {
            while (__any_sync(kAll, kept < INFINITY && lane < k && kept_code == next)) ++next;
            code = next++;
        }
        if (lane == 0) {
            indices[row * k + i] = code;
            if (distances != nullptr) distances[row * k + i] = static_cast<float>(distance);
        }
    }
}

template <typename T>
void launch(const Matrix& z, const Matrix& codebook, int k, const float* lowers, const float* uppers, float* distances,
            int64_t* indices, cudaStream_t stream) {
    select_kernel<T><<<blocks(z.rows, kThreads), kThreads, 0, stream>>>(
        static_cast<const T*>(z.data), z.rows, z.row_stride, z.column_stride, static_cast<const T*>(codebook.data),
        codebook.rows, codebook.row_stride, codebook.column_stride, z.columns, k, lowers, uppers,
        groups_of(codebook.rows), distances, indices);
    check(cudaGetLastError(), "vq_topk");
}

}  // namespace

void vq_select(const Matrix& z, const Matrix& codebook, int k, const float* lowers, const float* uppers,
               float* distances, int64_t* indices, cudaStream_t stream) {
    const auto run = z.element == 0 ? launch<float> : z.element == 1 ? launch<__nv_bfloat16> : launch<__half>;
    run(z, codebook, k, lowers, uppers, distances, indices, stream);
}

}  // namespace fastclipgen::cuda
