// CUDA's blocks, barriers and atomics on one thread of a CPU, so that the kernels of csrc/cuda can be tested where
// there is no GPU. Every thread of a block is a context of its own that runs until it meets a barrier. It knows only
// what those kernels use; nothing here says anything about speed.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <type_traits>
#include <vector>

#define __CUDA_ARCH__ 800
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define __grid_constant__
#define __restrict__
#define __shared__ static  // blocks run one after the other

struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) longlong2 {
    long long x, y;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

struct uint4 {
    unsigned x, y, z, w;
};

struct dim3 {
    unsigned x = 1, y = 1;
    dim3() = default;
    dim3(unsigned x, unsigned y = 1) : x(x), y(y) {}
};
inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

constexpr int kWarp = 32;
constexpr size_t kStack = 256 * 1024;
enum class Wait { kNothing, kWarp, kBlock, kDone };

struct Block {
    std::vector<ucontext_t> contexts;
    std::vector<Wait> waits;
    std::vector<char> stacks;
    std::vector<uint64_t> words;  // what threads exchange
    ucontext_t scheduler;
    std::function<void()> body;
};
inline Block block;

inline void wait(Wait for_what) {
    const unsigned thread = threadIdx.x;
    block.waits[thread] = for_what;
    swapcontext(&block.contexts[thread], &block.scheduler);
}

inline void enter() {
    block.body();
    block.waits[threadIdx.x] = Wait::kDone;
}

// Lets the threads from first to end go on if all of them that still run wait for the same.
inline bool release(size_t first, size_t end, Wait what) {
    bool any = false;
    for (size_t t = first; t < end; ++t) {
        if (block.waits[t] == Wait::kDone) continue;
        if (block.waits[t] != what) return false;
        any = true;
    }
    for (size_t t = first; t < end; ++t) {
        if (block.waits[t] == what) block.waits[t] = Wait::kNothing;
    }
    return any;
}

// Whether the last blocks and threads run first: what a kernel computes must not depend on it.
inline bool backwards() { return std::getenv("EMULATED_CUDA_BACKWARDS") != nullptr; }

inline void run_block(size_t threads) {
    for (size_t t = 0; t < threads; ++t) {
        getcontext(&block.contexts[t]);
        block.contexts[t].uc_stack.ss_sp = block.stacks.data() + t * kStack;
        block.contexts[t].uc_stack.ss_size = kStack;
        block.contexts[t].uc_link = &block.scheduler;
        makecontext(&block.contexts[t], &enter, 0);
        block.waits[t] = Wait::kNothing;
    }
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < threads; ++i) {
            const size_t t = backwards() ? threads - 1 - i : i;
            if (block.waits[t] != Wait::kNothing) continue;
            threadIdx.x = static_cast<unsigned>(t);
            swapcontext(&block.scheduler, &block.contexts[t]);
            moved = true;
        }
        for (size_t t = 0; t < threads; t += kWarp) moved |= release(t, std::min(threads, t + kWarp), Wait::kWarp);
        moved |= release(0, threads, Wait::kBlock);
    }
    for (const Wait wait : block.waits) {
        if (wait != Wait::kDone) {
            std::fprintf(stderr, "emulated CUDA: not all threads of a block meet the same barrier\n");
            std::abort();
        }
    }
}

template <typename Threads>
void launch(dim3 blocks, Threads threads, std::function<void()> body) {
    const auto count = static_cast<size_t>(threads);
    block.contexts.resize(count);
    block.waits.resize(count);
    block.words.resize(count);
    block.stacks.resize(count * kStack);
    block.body = std::move(body);
    blockDim.x = static_cast<unsigned>(threads);
    gridDim = blocks;
    const unsigned all = blocks.x * blocks.y;
    for (unsigned i = 0; i < all; ++i) {
        const unsigned b = backwards() ? all - 1 - i : i;
        blockIdx = {b % blocks.x, b / blocks.x};
        run_block(count);
    }
}

// The warp or block of this thread tells each other `word`; use(thread, word) sees those of `first` to `end`.
template <typename Use>
void exchange(uint64_t word, Wait among, const Use& use) {
    const unsigned first = among == Wait::kBlock ? 0 : threadIdx.x / kWarp * kWarp;
    const unsigned end = among == Wait::kBlock ? blockDim.x : std::min(first + kWarp, blockDim.x);
    block.words[threadIdx.x] = word;
    wait(among);
    for (unsigned t = first; t < end; ++t) use(t - first, block.words[t]);
    wait(among);
}

// The value of the lane `source`, or one's own where there is no such lane.
template <typename T>
T shuffle(T value, int source) {
    static_assert(sizeof(T) <= sizeof(uint64_t));
    uint64_t word = 0;
    std::memcpy(&word, &value, sizeof(T));
    exchange(word, Wait::kWarp, [&](unsigned lane, uint64_t other) {
        if (static_cast<int>(lane) == source) std::memcpy(&value, &other, sizeof(T));
    });
    return value;
}
inline int lane() { return static_cast<int>(threadIdx.x % kWarp); }

}  // namespace emulator

inline void __syncthreads() { emulator::wait(emulator::Wait::kBlock); }

inline void __syncwarp() { emulator::wait(emulator::Wait::kWarp); }

inline int __syncthreads_count(bool mine) {
    int count = 0;
    emulator::exchange(mine, emulator::Wait::kBlock, [&](unsigned, uint64_t other) { count += other != 0; });
    return count;
}
inline uint32_t __reduce_max_sync(unsigned, uint32_t value) {
    emulator::exchange(value, emulator::Wait::kWarp,
                       [&](unsigned, uint64_t other) { value = std::max(value, static_cast<uint32_t>(other)); });
    return value;
}
inline unsigned __ballot_sync(unsigned, bool mine) {
    unsigned lanes = 0;
    emulator::exchange(mine, emulator::Wait::kWarp,
                       [&](unsigned lane, uint64_t other) { lanes |= static_cast<unsigned>(other) << lane; });
    return lanes;
}
inline bool __any_sync(unsigned all, bool mine) { return __ballot_sync(all, mine) != 0; }
template <typename T>
T __shfl_sync(unsigned, T value, int source) {
    return emulator::shuffle(value, source);
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, int step) {
    return emulator::shuffle(value, emulator::lane() ^ step);
}
template <typename T>
T __shfl_up_sync(unsigned, T value, int step) {
    return emulator::shuffle(value, emulator::lane() - step);
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(unsigned bits) { return __builtin_ffs(static_cast<int>(bits)); }

template <typename T>
T atomicAdd(T* at, std::common_type_t<T> value) {
    const T before = *at;
    *at += value;
    return before;
}
template <typename T>
T atomicMax(T* at, std::common_type_t<T> value) {
    const T before = *at;
    *at = std::max(before, value);
    return before;
}
template <typename T>
T __ldg(const T* at) {
    return *at;
}
template <typename T>
T min(T a, std::common_type_t<T> b) {
    return b < a ? b : a;
}
template <typename T>
T max(T a, std::common_type_t<T> b) {
    return b > a ? b : a;
}
inline uint32_t __float_as_uint(float v) {
    uint32_t bits;
    std::memcpy(&bits, &v, 4);
    return bits;
}
inline float __fmul_rn(float a, float b) {
    volatile float product = a * b;  // whatever the compiler may contract
    return product;
}
inline float __fadd_rn(float a, float b) {
    volatile float sum = a + b;
    return sum;
}
inline long long __float2ll_rn(float v) { return std::llrint(v); }

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess };
inline const char* cudaGetErrorString(cudaError_t) { return ""; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaMemsetAsync(void* at, int value, size_t bytes, cudaStream_t) {
    std::memset(at, value, bytes);
    return cudaSuccess;
}
