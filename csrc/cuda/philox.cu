#include <algorithm>

#include "../philox.h"  // a plain "philox.h" would find the one beside this file
#include "cuda/device.h"
#include "cuda/philox.h"

namespace fastclipgen::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 1 << 16;  // more work than this is done by the stride loop

template <typename T>
__global__ void __launch_bounds__(kThreads)
    philox_kernel(const int64_t* __restrict__ seeds, const int64_t* __restrict__ step, uint32_t stream, int64_t cutouts,
                  int64_t n, int64_t calls, T* __restrict__ out) {
    const uint32_t step_word = static_cast<uint32_t>(*step);
    const int64_t calls_per_row = (n + 3) / 4;
    const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
    for (int64_t call = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; call < calls; call += stride) {
        const int64_t row = call / calls_per_row;
        const int64_t element = call - row * calls_per_row;
        const auto seed = static_cast<uint64_t>(seeds[row / cutouts]);
        const Words4 words =
            philox4x32_10(static_cast<uint32_t>(element), static_cast<uint32_t>(row % cutouts), step_word, stream,
                          static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
        store_words(words, min(n - element * 4, int64_t{4}), out + row * n + element * 4);
    }
}

}  // namespace

template <typename T>
void philox_fill(const int64_t* seeds, int64_t batch, const int64_t* step, uint32_t stream, int64_t cutouts, int64_t n,
                 T* out, int device, void* stream_handle) {
    const int64_t calls = batch * cutouts * ((n + 3) / 4);
    if (calls == 0) return;
    const OnDevice guard(device, "philox");
    const int64_t blocks = std::min((calls + kThreads - 1) / kThreads, kMaxBlocks);
    philox_kernel<<<static_cast<unsigned>(blocks), kThreads, 0, static_cast<cudaStream_t>(stream_handle)>>>(
        seeds, step, stream, cutouts, n, calls, out);
    check(cudaGetLastError(), "philox");
}

template void philox_fill<int64_t>(const int64_t*, int64_t, const int64_t*, uint32_t, int64_t, int64_t, int64_t*, int,
                                   void*);
template void philox_fill<float>(const int64_t*, int64_t, const int64_t*, uint32_t, int64_t, int64_t, float*, int,
                                 void*);

}  // namespace fastclipgen::cuda
