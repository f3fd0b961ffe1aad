#include "cuda/cutout_pyramid.h"
#include "cuda/device.h"
#include "cuda/real.h"

namespace fastclipgen::cuda {
namespace {

constexpr int kSide = 16;  // of a block of threads; each begins with 2 x 2 pixels
constexpr int kThreads = kSide * kSide;

__device__ __forceinline__ float4 operator+(float4 a, float4 b) {
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, 0.0f);
}
__device__ __forceinline__ float4 operator*(float4 a, float s) { return make_float4(a.x * s, a.y * s, a.z * s, 0.0f); }

__device__ __forceinline__ float4 load_pixel(const Pictures& pictures, int picture, int y, int x) {
    const int64_t at = picture * pictures.strides[0] + y * pictures.strides[2] + x * pictures.strides[3];
    const int64_t plane = pictures.strides[1];
    return make_float4(load_real(pictures.data, at, pictures.dtype),
                       load_real(pictures.data, at + plane, pictures.dtype),
                       load_real(pictures.data, at + 2 * plane, pictures.dtype), 0.0f);
}

// The mean of the pixels of 2 x 2 that exist: `rows` x `columns`, each 1 or 2.
template <typename Get>
__device__ __forceinline__ float4 mean_of(int rows, int columns, const Get& get) {
    float4 sum = get(0, 0);
    if (columns > 1) sum = sum + get(0, 1);
    if (rows > 1) sum = sum + get(1, 0);
    if (rows > 1 && columns > 1) sum = sum + get(1, 1);
    return sum * (1.0f / static_cast<float>(rows * columns));
}

// Makes the levels source + 1 .. source + kLevelsAtOnce, as far as they are wanted, from level `source`: the pictures
// themselves (which are stored as level 0 where views read it), or a stored level.
__global__ void __launch_bounds__(kThreads)
    build_kernel(const __grid_constant__ CutoutPlan plan, const __grid_constant__ Pictures pictures,
                 float4* __restrict__ pyramid, int source) {
    __shared__ float4 tile[kSide][kSide];
    const int height = mip_length(plan.height, source), width = mip_length(plan.width, source);
    const int across = (width + 2 * kSide - 1) / (2 * kSide), down = (height + 2 * kSide - 1) / (2 * kSide);
    const int picture = blockIdx.x / (across * down), place = blockIdx.x % (across * down);
    const int tx = threadIdx.x % kSide, ty = threadIdx.x / kSide;
    int left = place % across * 2 * kSide, top = place / across * 2 * kSide;
    float4* const levels = pyramid + picture * pyramid_pixels(plan);

    float4 mean = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    const int x = left + 2 * tx, y = top + 2 * ty;
    if (x < width && y < height) {
        float4* const stored = levels + level_of(plan, source).start;
        mean = mean_of(min(2, height - y), min(2, width - x), [&](int dy, int dx) {
            const int64_t at = static_cast<int64_t>(y + dy) * width + x + dx;
            if (source > 0) return stored[at];
            const float4 pixel = load_pixel(pictures, picture, y + dy, x + dx);
            if (first_level(plan) == 0) stored[at] = pixel;
            return pixel;
        });
    }
    const int last = min(plan.high, source + kLevelsAtOnce);
    int side = kSide;
    for (int k = source + 1; k <= last; ++k, side /= 2) {
        if (k > source + 1) {
            __syncthreads();  // the level before is in the tile
            const int columns = mip_length(plan.width, k - 1) - (left + 2 * tx);
            const int rows = mip_length(plan.height, k - 1) - (top + 2 * ty);
            if (tx < side && ty < side && columns > 0 && rows > 0) {
                mean = mean_of(min(2, rows), min(2, columns),
                               [&](int dy, int dx) { return tile[2 * ty + dy][2 * tx + dx]; });
            }
            __syncthreads();
        }
        left /= 2;
        top /= 2;
        const Level level = level_of(plan, k);
        if (tx >= side || ty >= side) continue;
        tile[ty][tx] = mean;
        if (k >= first_level(plan) && left + tx < level.width && top + ty < level.height) {
            levels[level.start + static_cast<int64_t>(top + ty) * level.width + left + tx] = mean;
        }
    }
}

template <typename Real>
struct Triple {
    Real r, g, b;
};

__device__ __forceinline__ Triple<float> sum_at(const float4* sums, int64_t at) {
    const float4 sum = sums[at];
    return {sum.x, sum.y, sum.z};
}
__device__ __forceinline__ Triple<double> sum_at(const longlong2* sums, int64_t at) {
    const longlong2 first = sums[2 * at], second = sums[2 * at + 1];
    return {static_cast<double>(first.x), static_cast<double>(first.y), static_cast<double>(second.x)};
}

// One thread a pixel of the pictures: what it gets from each level that it went into. Integer sums, exact so
// far, are added up as double.
template <typename Sum>
__global__ void __launch_bounds__(kThreads)
    fold_kernel(const __grid_constant__ CutoutPlan plan, const Sum* __restrict__ sums,
                const uint32_t* __restrict__ largest, void* __restrict__ gradient, Dtype dtype) {
    const int64_t plane = static_cast<int64_t>(plan.height) * plan.width;
    const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (thread >= plan.batch * plane) return;
    const int picture = static_cast<int>(thread / plane);
    const int64_t place = thread - picture * plane;
    int y = static_cast<int>(place / plan.width), x = static_cast<int>(place - static_cast<int64_t>(y) * plan.width);
    const int64_t start = picture * pyramid_pixels(plan);

    using Real = decltype(sum_at(sums, 0).r);
    Real r = 0, g = 0, b = 0, share = 1;
    if (largest != nullptr) {
        const uint32_t bits = largest[picture];
        share = static_cast<Real>(bits < kInfinityBits ? scalbn(1.0, -fixed_exponent(plan, bits)) : nan(""));
    }
    for (int k = 0; k <= plan.high; ++k) {
        if (k > 0) {
            if ((y | 1) < mip_length(plan.height, k - 1)) share *= Real(0.5);
            if ((x | 1) < mip_length(plan.width, k - 1)) share *= Real(0.5);
            y /= 2;
            x /= 2;
        }
        if (k < plan.low) continue;
        const Level level = level_of(plan, k);
        const Triple<Real> sum = sum_at(sums, start + level.start + static_cast<int64_t>(y) * level.width + x);
        r += share * sum.r;
        g += share * sum.g;
        b += share * sum.b;
    }
    const int64_t at = picture * 3 * plane + place;
    store_real(gradient, at, dtype, static_cast<float>(r));
    store_real(gradient, at + plane, dtype, static_cast<float>(g));
    store_real(gradient, at + 2 * plane, dtype, static_cast<float>(b));
}

}  // namespace

void build_pyramid(const CutoutPlan& plan, const Pictures& pictures, float* pyramid, void* stream) {
    for (int source = 0; source == 0 || source < plan.high; source += kLevelsAtOnce) {
        const int64_t across = (mip_length(plan.width, source) + 2 * kSide - 1) / (2 * kSide);
        const int64_t down = (mip_length(plan.height, source) + 2 * kSide - 1) / (2 * kSide);
        build_kernel<<<static_cast<unsigned>(plan.batch * across * down), kThreads, 0,
                       static_cast<cudaStream_t>(stream)>>>(plan, pictures, reinterpret_cast<float4*>(pyramid), source);
        check(cudaGetLastError(), "cutouts");
    }
}

void fold_pyramid(const CutoutPlan& plan, const Sums& sums, void* gradient, Dtype dtype, void* stream) {
    const int64_t pixels = static_cast<int64_t>(plan.batch) * plan.height * plan.width;
    const auto blocks = static_cast<unsigned>((pixels + kThreads - 1) / kThreads);
    const auto queue = static_cast<cudaStream_t>(stream);
    if (sums.largest == nullptr) {
        fold_kernel<<<blocks, kThreads, 0, queue>>>(plan, static_cast<const float4*>(sums.data), nullptr, gradient,
                                                    dtype);
    } else {
        fold_kernel<<<blocks, kThreads, 0, queue>>>(plan, static_cast<const longlong2*>(sums.data), sums.largest,
                                                    gradient, dtype);
    }
    check(cudaGetLastError(), "cutouts");
}

}  // namespace fastclipgen::cuda
