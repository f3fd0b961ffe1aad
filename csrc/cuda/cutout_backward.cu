#include "cuda/cutout_tile.h"
#include "cuda/device.h"

namespace fastclipgen::cuda {
namespace {

// What the scattering kernel does with the gradient of a view's pixel.
enum class Scatter {
    kFloats,    // adds it to float sums
    kLargest,   // finds the largest of each picture
    kIntegers,  // adds it to integer sums, whose unit the largest decides
};

__device__ __forceinline__ Rgb load_gradient(const CutoutPlan& plan, const Views& grads, int number, int y, int x) {
    const Place place = place_of(plan, grads, number, y, x);
    return {load_real(grads.data, place.first, grads.dtype) * plan.inverse_std[0],
            load_real(grads.data, place.first + place.step, grads.dtype) * plan.inverse_std[1],
            load_real(grads.data, place.first + 2 * place.step, grads.dtype) * plan.inverse_std[2]};
}

// From the gradient after noise, before clamping, to that before colour. p: the pixel before colour.
template <bool kColour>
__device__ __forceinline__ Rgb gradient_through(const CutoutPlan& plan, const float* colour, const float* erase,
                                                const Rgb& noise, Rgb p, int x, int y, Rgb grad) {
    const bool blank = plan.erasing && erased(erase, x, y);
    if (blank) return {0.0f, 0.0f, 0.0f};
    if (plan.clamp) {
        const Rgb done = kColour ? jitter(plan, colour, p) : p;
        grad.r *= in_unit_range(done.r + noise.r);
        grad.g *= in_unit_range(done.g + noise.g);
        grad.b *= in_unit_range(done.b + noise.b);
    }
    return kColour ? jitter_gradient(plan, colour, p, grad) : grad;
}

__device__ __forceinline__ Rgb noise_at(const CutoutPlan& plan, const NoiseTile& noise, float scale, int line,
                                        int tile_x, int x, int y) {
    return {scale * noise.at(plan, 0, line, tile_x, x, y), scale * noise.at(plan, 1, line, tile_x, x, y),
            scale * noise.at(plan, 2, line, tile_x, x, y)};
}

__device__ __forceinline__ void add(float4* to, Rgb gradient, float weight) {
    const float r = gradient.r * weight, g = gradient.g * weight, b = gradient.b * weight;
#if __CUDA_ARCH__ >= 900
    asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(to), "f"(r), "f"(g), "f"(b), "f"(0.0f)
                 : "memory");
#else
    atomicAdd(&to->x, r);
    atomicAdd(&to->y, g);
    atomicAdd(&to->z, b);
#endif
}

__device__ __forceinline__ void add(unsigned long long* to, Rgb gradient, float weight, float unit) {
    atomicAdd(to, static_cast<unsigned long long>(__float2ll_rn(gradient.r * weight * unit)));
    atomicAdd(to + 1, static_cast<unsigned long long>(__float2ll_rn(gradient.g * weight * unit)));
    atomicAdd(to + 2, static_cast<unsigned long long>(__float2ll_rn(gradient.b * weight * unit)));
}

// One thread a pixel of a view: its gradient goes to the pixels of the levels that it was read from.
template <Scatter kScatter, bool kColour>
__global__ void __launch_bounds__(kThreads)
    scatter_kernel(const __grid_constant__ CutoutPlan plan, const __grid_constant__ CutoutArrays arrays,
                   const int64_t* __restrict__ step, const float4* __restrict__ pyramid,
                   const __grid_constant__ Views grads, void* __restrict__ sums, uint32_t* __restrict__ largest) {
    __shared__ NoiseTile noise;
    __shared__ View view;
    __shared__ uint32_t block_largest;
    const Tile tile = tile_of(blockIdx.x, plan.size, plan.size);
    const int picture = tile.number / plan.views;
    if (kScatter == Scatter::kIntegers && largest[picture] >= kInfinityBits) return;
    if (threadIdx.x == kThreads - 1) {
        find_view(plan, arrays, tile.number, view);
        block_largest = 0;
    }
    const bool noisy = plan.clamp && plan.noise != Noise::kNone && arrays.noise_scale[tile.number] != 0.0f;
    if (noisy) {
        noise.draw(plan, arrays.seeds[picture], static_cast<uint32_t>(*step), tile.number - picture * plan.views,
                   tile.x, tile.y, threadIdx.x);
    }
    __syncthreads();
    const int line = threadIdx.x / kTileWidth, x = tile.x + threadIdx.x % kTileWidth, y = tile.y + line;
    Rgb grad = {0.0f, 0.0f, 0.0f};
    Point source = {0.0f, 0.0f};
    if (x < plan.size && y < plan.size) {
        source = source_of(plan, view, x, y);
        grad = load_gradient(plan, grads, tile.number, y, x);
        Rgb p = {0.0f, 0.0f, 0.0f}, drawn = p;
        if (kColour || plan.clamp) p = sample(view, pyramid, source);
        if (noisy) drawn = noise_at(plan, noise, view.noise_scale, line, tile.x, x, y);
        grad = gradient_through<kColour>(plan, view.colour, view.erase, drawn, p, x, y, grad);
    }
    if (kScatter == Scatter::kLargest) {
        // As unsigned integers, floats without sign are in order, and infinities and NaNs come last.
        uint32_t bits =
            max(__float_as_uint(fabsf(grad.r)), max(__float_as_uint(fabsf(grad.g)), __float_as_uint(fabsf(grad.b))));
        bits = __reduce_max_sync(0xFFFFFFFFu, bits);
        if (threadIdx.x % 32 == 0) atomicMax(&block_largest, bits);
        __syncthreads();
        if (threadIdx.x == 0) atomicMax(largest + picture, block_largest);
        return;
    }
    if (grad.r == 0.0f && grad.g == 0.0f && grad.b == 0.0f) return;
    const float unit = kScatter == Scatter::kIntegers ? scalbnf(1.0f, fixed_exponent(plan, largest[picture])) : 1.0f;
    for (const Blend& level : view.blend) {
        if (level.share == 0.0f) continue;
        const Reads reads = find_reads(view.around.padding, level, source);
        for (int k = 0; k < 4; ++k) {
            if (reads.weight[k] == 0.0f) continue;
            if (kScatter == Scatter::kFloats) {
                add(static_cast<float4*>(sums) + level.start + reads.at[k], grad, reads.weight[k]);
            } else {
                add(static_cast<unsigned long long*>(sums) + 4 * (level.start + reads.at[k]), grad, reads.weight[k],
                    unit);
            }
        }
    }
}

// Whole-pixel crops. One thread a pixel of a picture: it sums over the views that show it, in their order.
template <bool kColour>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const __grid_constant__ CutoutPlan plan, const __grid_constant__ CutoutArrays arrays,
                  const int64_t* __restrict__ step, const __grid_constant__ Pictures pictures,
                  const __grid_constant__ Views grads, void* __restrict__ gradient) {
    __shared__ NoiseTile noise;
    const Tile tile = tile_of(blockIdx.x, plan.height, plan.width);
    const int line = threadIdx.x / kTileWidth, x = tile.x + threadIdx.x % kTileWidth, y = tile.y + line;
    const bool inside = x < plan.width && y < plan.height;
    const auto step_word = static_cast<uint32_t>(*step);
    Rgb p = {0.0f, 0.0f, 0.0f}, sum = p;
    if (inside && (kColour || plan.clamp)) p = load_rgb(pictures, tile.number, y, x);
    for (int n = 0; n < plan.views; ++n) {
        const int number = tile.number * plan.views + n;
        const float* matrix = arrays.matrix + 9 * static_cast<int64_t>(number);
        const int left = tile.x - static_cast<int>(matrix[2]), top = tile.y - static_cast<int>(matrix[5]);
        if (left >= plan.size || top >= plan.size || left + kTileWidth <= 0 || top + kTileHeight <= 0) continue;
        const float scale = arrays.noise_scale[number];
        const bool noisy = plan.clamp && plan.noise != Noise::kNone && scale != 0.0f;  // like `continue`, for the block
        if (noisy) {
            __syncthreads();  // the draws of the view before have been used
            noise.draw(plan, arrays.seeds[tile.number], step_word, n, left, top, threadIdx.x);
            __syncthreads();
        }
        const int view_x = left + x - tile.x, view_y = top + line;
        if (!inside || view_x < 0 || view_y < 0 || view_x >= plan.size || view_y >= plan.size) continue;
        Rgb drawn = {0.0f, 0.0f, 0.0f};
        if (noisy) drawn = noise_at(plan, noise, scale, line, left, view_x, view_y);
        const Rgb grad = gradient_through<kColour>(plan, arrays.colour + 4 * static_cast<int64_t>(number),
                                                   arrays.erase + 4 * static_cast<int64_t>(number), drawn, p, view_x,
                                                   view_y, load_gradient(plan, grads, number, view_y, view_x));
        sum.r += grad.r;
        sum.g += grad.g;
        sum.b += grad.b;
    }
    if (!inside) return;
    const int64_t plane = static_cast<int64_t>(plan.height) * plan.width;
    const int64_t at = tile.number * 3 * plane + static_cast<int64_t>(y) * plan.width + x;
    store_real(gradient, at, pictures.dtype, sum.r);
    store_real(gradient, at + plane, pictures.dtype, sum.g);
    store_real(gradient, at + 2 * plane, pictures.dtype, sum.b);
}

int64_t pyramid_bytes(const CutoutPlan& plan, int64_t bytes_of_pixel) {
    return plan.batch * pyramid_pixels(plan) * bytes_of_pixel;
}

template <Scatter kScatter>
void scatter(const CutoutPlan& plan, const CutoutArrays& arrays, const int64_t* step, const float* pyramid,
             const Views& grads, const Sums& sums, void* stream) {
    const auto blocks = static_cast<unsigned>(int64_t{plan.batch} * plan.views * tiles_of(plan.size, plan.size));
    const auto kernel = plan.has_colour() ? scatter_kernel<kScatter, true> : scatter_kernel<kScatter, false>;
    kernel<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        plan, arrays, step, reinterpret_cast<const float4*>(pyramid), grads, sums.data, sums.largest);
    check(cudaGetLastError(), "cutouts");
}

}  // namespace

int64_t cutouts_workspace(const CutoutPlan& plan, bool backward, bool deterministic) {
    if (plan.exact) return 0;
    if (!backward) return pyramid_bytes(plan, sizeof(float4));
    const int64_t pyramid = plan.nonlinear() ? pyramid_bytes(plan, sizeof(float4)) : 0;
    if (!deterministic) return pyramid + pyramid_bytes(plan, sizeof(float4));
    return pyramid + pyramid_bytes(plan, 4 * sizeof(int64_t)) + plan.batch * sizeof(uint32_t);
}

void cutouts_backward(const CutoutPlan& plan, const CutoutArrays& arrays, const int64_t* step, const Pictures& pictures,
                      const void* grad_views, Dtype dtype, void* grad_pictures, bool deterministic, void* workspace,
                      Queue queue) {
    if (plan.batch == 0) return;
    const OnDevice guard(queue.device, "cutouts");
    const auto stream = static_cast<cudaStream_t>(queue.stream);
    const Views grads = views_at(plan, const_cast<void*>(grad_views), dtype);
    if (plan.exact) {
        const auto blocks = static_cast<unsigned>(int64_t{plan.batch} * tiles_of(plan.height, plan.width));
        const auto kernel = plan.has_colour() ? gather_kernel<true> : gather_kernel<false>;
        kernel<<<blocks, kThreads, 0, stream>>>(plan, arrays, step, pictures, grads, grad_pictures);
        check(cudaGetLastError(), "cutouts");
        return;
    }
    auto* const pyramid = static_cast<float*>(workspace);
    auto* const data = static_cast<char*>(workspace) + (plan.nonlinear() ? pyramid_bytes(plan, sizeof(float4)) : 0);
    const int64_t bytes = pyramid_bytes(plan, deterministic ? 4 * sizeof(int64_t) : sizeof(float4));
    const Sums sums = {data, deterministic ? reinterpret_cast<uint32_t*>(data + bytes) : nullptr};
    check(cudaMemsetAsync(data, 0, bytes + (deterministic ? plan.batch * sizeof(uint32_t) : 0), stream), "cutouts");
    if (plan.nonlinear()) build_pyramid(plan, pictures, pyramid, queue.stream);
    if (deterministic) {
        scatter<Scatter::kLargest>(plan, arrays, step, pyramid, grads, sums, queue.stream);
        scatter<Scatter::kIntegers>(plan, arrays, step, pyramid, grads, sums, queue.stream);
    } else {
        scatter<Scatter::kFloats>(plan, arrays, step, pyramid, grads, sums, queue.stream);
    }
    fold_pyramid(plan, sums, grad_pictures, pictures.dtype, queue.stream);
}

}  // namespace fastclipgen::cuda
