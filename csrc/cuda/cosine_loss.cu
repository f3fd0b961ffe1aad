#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "cuda/cosine_loss.h"
#include "cuda/device.h"

namespace fastclipgen::cuda {
namespace {

constexpr int kWarp = 32;
constexpr int kMaxWarps = 32;
constexpr int kGroup = 4;  // prompts that share a pass over an embedding
constexpr unsigned kAll = 0xFFFFFFFFu;

__device__ __forceinline__ float as_float(float x) { return x; }
__device__ __forceinline__ float as_float(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ __forceinline__ float as_float(__half x) { return __half2float(x); }

// V elements of an input: one access of 16 bytes (or two, of 8 floats) where V is above 1.
template <int V, typename T>
__device__ __forceinline__ void load(const T* from, float (&out)[V]) {
    if constexpr (V == 1) {
        out[0] = as_float(__ldg(from));
    } else {
        constexpr int kEach = 16 / sizeof(T);
#pragma unroll
        for (int i = 0; i < V; i += kEach) {
            const uint4 bits = __ldg(reinterpret_cast<const uint4*>(from + i));
            const T* const values = reinterpret_cast<const T*>(&bits);
#pragma unroll
            for (int j = 0; j < kEach; ++j) out[i + j] = as_float(values[j]);
        }
    }
}

template <int V>
__device__ __forceinline__ void store(const float (&values)[V], float* to) {
    if constexpr (V == 1) {
        *to = values[0];
    } else {
#pragma unroll
        for (int i = 0; i < V; i += 4) {
            *reinterpret_cast<float4*>(to + i) = make_float4(values[i], values[i + 1], values[i + 2], values[i + 3]);
        }
    }
}

// The sum over the warp, the same bits in every lane.
__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
    for (int step = kWarp / 2; step > 0; step /= 2) x += __shfl_xor_sync(kAll, x, step);
    return x;
}

__device__ __forceinline__ bool is_free(float square) { return !(sqrtf(square) < kNormEps); }  // NaN goes on
__device__ __forceinline__ float inverse_length(float square) {
    return 1.0f / (is_free(square) ? sqrtf(square) : kNormEps);
}

// Up to kGroup prompts of the block's picture, in shared memory.
struct Group {
    const float* targets;
    int count;
    float inverses[kGroup], weights[kGroup], stops[kGroup];
};

// One warp, one view, a group of prompts: writes cosines and gradient (where there is one); returns the weighted
// distances. T: type of the embedding; V: elements per access; `add`: an earlier group has written the gradient.
template <int V, typename T>
__device__ __forceinline__ float look(const CosineLoss& call, const Group& group, const T* embedding, float share,
                                      bool add, float* cosines, float* gradient) {
    const int64_t n = call.features;
    const int lane = threadIdx.x % kWarp;
    const bool absolute = call.kind == Kind::l1, apart = absolute || call.kind == Kind::l2;
    float e[V], t[V];

    float square = 0.0f, cosine[kGroup] = {};
    for (int64_t i = lane * V; i < n; i += kWarp * V) {
        load<V>(embedding + i, e);
#pragma unroll
        for (int j = 0; j < V; ++j) square = fmaf(e[j], e[j], square);
#pragma unroll
        for (int p = 0; p < kGroup; ++p) {
            if (p < group.count) {
                load<V>(group.targets + p * n + i, t);
#pragma unroll
                for (int j = 0; j < V; ++j) cosine[p] = fmaf(e[j], t[j], cosine[p]);
            }
        }
    }
    square = warp_sum(square);
    const float inverse = inverse_length(square);

    float sum = 0.0f, toward[kGroup] = {}, back = 0.0f;
#pragma unroll
    for (int p = 0; p < kGroup; ++p) {
        if (p < group.count) {
            const float weight = group.weights[p];
            cosine[p] = warp_sum(cosine[p]) * (inverse * group.inverses[p]);
            float distances = 0.0f, along = 0.0f;  // sums of |u - t| and u * sign(u - t), or of (u - t)**2
            for (int64_t i = lane * V; apart && i < n; i += kWarp * V) {
                load<V>(embedding + i, e);
                load<V>(group.targets + p * n + i, t);
#pragma unroll
                for (int j = 0; j < V; ++j) {
                    const float unit = e[j] * inverse, difference = unit - t[j] * group.inverses[p];
                    distances = fmaf(absolute ? sign(difference) : difference, difference, distances);
                    along = fmaf(unit, sign(difference), along);
                }
            }
            Distance distance;
            if (call.kind == Kind::cosine) {
                distance = cosine_distance(cosine[p]);
            } else if (call.kind == Kind::spherical) {
                distance = spherical_distance(cosine[p]);
            } else if (absolute) {
                distance = {warp_sum(distances), 1.0f};
            } else {
                distance = euclidean_distance(warp_sum(distances));
            }
            sum = fmaf(weight, distance.value, sum);
            const bool flows = above_stop(distance.value, weight, group.stops[p]);
            const float slope = flows ? share * weight * distance.slope : 0.0f;
            toward[p] = slope * inverse * (absolute ? 1.0f : group.inverses[p]);
            if (absolute) along = warp_sum(along);
            back = fmaf(slope, part_along(call.kind, is_free(square), cosine[p], along), back);
            if (lane == 0) cosines[p] = cosine[p];
        }
    }
    if (gradient == nullptr) return sum;

    back *= -inverse * inverse;
    for (int64_t i = lane * V; i < n; i += kWarp * V) {
        float out[V] = {};
        if (add) {
#pragma unroll
            for (int j = 0; j < V; ++j) out[j] = gradient[i + j];  // what this lane wrote
        }
        load<V>(embedding + i, e);
#pragma unroll
        for (int j = 0; j < V; ++j) out[j] = fmaf(back, e[j], out[j]);
#pragma unroll
        for (int p = 0; p < kGroup; ++p) {
            if (p < group.count) {
                load<V>(group.targets + p * n + i, t);
#pragma unroll
                for (int j = 0; j < V; ++j) {
                    const float to = absolute ? sign(e[j] * inverse - t[j] * group.inverses[p]) : t[j];
                    out[j] = fmaf(toward[p], to, out[j]);
                }
            }
        }
        store<V>(out, gradient + i);
    }
    return sum;
}

__device__ __forceinline__ float weight_of(const CosineLoss& call, int64_t i) {
    return call.active == nullptr || call.active[i] ? call.weights[i] : 0.0f;
}

// One block a picture, one warp a view at a time.
template <int V, typename T>
__global__ void __launch_bounds__(kMaxWarps* kWarp) cosine_loss_kernel(const CosineLoss call) {
    __shared__ Group group;
    __shared__ float sums[kMaxWarps];
    const int warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp, lane = threadIdx.x % kWarp;
    const int64_t b = blockIdx.x, n = call.features, first_prompt = b * call.prompts;

    int64_t count = 0;
    for (int64_t start = 0; call.prompt_mean && start < call.prompts; start += blockDim.x) {
        const int64_t p = start + threadIdx.x;
        count += __syncthreads_count(p < call.prompts && weight_of(call, first_prompt + p) != 0.0f);
    }
    const float share = share_of_view(call, b, count);

    float sum = 0.0f;
    // at least once: without prompts the gradient is 0
    for (int64_t start = 0; start == 0 || start < call.prompts; start += kGroup) {
        __syncthreads();  // nobody reads the last group any more
        const int size = static_cast<int>(min(call.prompts - start, int64_t{kGroup}));
        if (threadIdx.x == 0) {
            group.targets = call.targets + (first_prompt + start) * n;
            group.count = size;
        }
        for (int p = warp; p < size; p += warps) {
            const int64_t at = first_prompt + start + p;
            float t[V], square = 0.0f;
            for (int64_t i = lane * V; i < n; i += kWarp * V) {
                load<V>(call.targets + at * n + i, t);
#pragma unroll
                for (int j = 0; j < V; ++j) square = fmaf(t[j], t[j], square);
            }
            square = warp_sum(square);
            if (lane == 0) {
                group.inverses[p] = inverse_length(square);
                group.weights[p] = weight_of(call, at);
                group.stops[p] = call.stops[at];
            }
        }
        __syncthreads();
        for (int64_t view = warp; view < call.views; view += warps) {
            const int64_t row = b * call.views + view;
            const T* embedding =
                static_cast<const T*>(call.embeddings) + b * call.batch_stride + view * call.view_stride;
            float* gradient = call.gradient == nullptr ? nullptr : call.gradient + row * n;
            sum += look<V>(call, group, embedding, share, start > 0, call.similarities + row * call.prompts + start,
                           gradient);
        }
    }
    if (lane == 0) sums[warp] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {  // always in this order
        float all = 0.0f;
        for (int i = 0; i < warps; ++i) all += sums[i];
        call.loss[b] = fmaf(share, all, call.total == nullptr ? 0.0f : call.total[b]);
    }
}

bool aligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

template <typename T>
void launch(const CosineLoss& call, cudaStream_t stream) {
    constexpr int kWide = 16 / sizeof(T);
    const auto blocks = static_cast<unsigned>(call.batch);
    const auto threads = static_cast<unsigned>(std::clamp<int64_t>(call.views, 1, kMaxWarps)) * kWarp;
    const bool wide = aligned(call.embeddings) && aligned(call.targets) && aligned(call.gradient) &&
                      call.features % kWide == 0 && call.batch_stride % kWide == 0 && call.view_stride % kWide == 0;
    if (wide) {
        cosine_loss_kernel<kWide, T><<<blocks, threads, 0, stream>>>(call);
    } else {
        cosine_loss_kernel<1, T><<<blocks, threads, 0, stream>>>(call);
    }
}

}  // namespace

void cosine_loss(const CosineLoss& call, int device, void* stream_handle) {
    if (call.batch == 0) return;
    const OnDevice guard(device, "cosine loss");
    const auto stream = static_cast<cudaStream_t>(stream_handle);
    switch (call.dtype) {
        case Float::fp32:
            launch<float>(call, stream);
            break;
        case Float::bf16:
            launch<__nv_bfloat16>(call, stream);
            break;
        case Float::fp16:
            launch<__half>(call, stream);
            break;
    }
    check(cudaGetLastError(), "cosine loss");
}

}  // namespace fastclipgen::cuda
