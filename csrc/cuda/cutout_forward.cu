#include "cuda/cutout_tile.h"
#include "cuda/device.h"

namespace fastclipgen::cuda {
namespace {

template <bool kExact, bool kColour>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const __grid_constant__ CutoutPlan plan, const __grid_constant__ CutoutArrays arrays,
                   const int64_t* __restrict__ step, const __grid_constant__ Pictures pictures,
                   const float4* __restrict__ pyramid, const __grid_constant__ Views views) {
    __shared__ NoiseTile noise;
    __shared__ View view;
    const Tile tile = tile_of(blockIdx.x, plan.size, plan.size);
    const int picture = tile.number / plan.views;
    if (threadIdx.x == kThreads - 1) find_view(plan, arrays, tile.number, view);
    const bool noisy = plan.noise != Noise::kNone && arrays.noise_scale[tile.number] != 0.0f;
    if (noisy) {
        noise.draw(plan, arrays.seeds[picture], static_cast<uint32_t>(*step), tile.number - picture * plan.views,
                   tile.x, tile.y, threadIdx.x);
    }
    __syncthreads();
    const int line = threadIdx.x / kTileWidth, x = tile.x + threadIdx.x % kTileWidth, y = tile.y + line;
    if (x >= plan.size || y >= plan.size) return;

    Rgb p =
        kExact ? load_rgb(pictures, picture, y + static_cast<int>(view.matrix[5]), x + static_cast<int>(view.matrix[2]))
               : sample(view, pyramid, source_of(plan, view, x, y));
    if (kColour) p = jitter(plan, view.colour, p);
    if (plan.erasing && erased(view.erase, x, y)) p = {0.0f, 0.0f, 0.0f};
    if (noisy) {
        p.r += view.noise_scale * noise.at(plan, 0, line, tile.x, x, y);
        p.g += view.noise_scale * noise.at(plan, 1, line, tile.x, x, y);
        p.b += view.noise_scale * noise.at(plan, 2, line, tile.x, x, y);
    }
    if (plan.clamp) p = {unit_range(p.r), unit_range(p.g), unit_range(p.b)};
    const Place place = place_of(plan, views, tile.number, y, x);
    store_real(views.data, place.first, views.dtype, (p.r - plan.mean[0]) * plan.inverse_std[0]);
    store_real(views.data, place.first + place.step, views.dtype, (p.g - plan.mean[1]) * plan.inverse_std[1]);
    store_real(views.data, place.first + 2 * place.step, views.dtype, (p.b - plan.mean[2]) * plan.inverse_std[2]);
}

}  // namespace

void cutouts_forward(const CutoutPlan& plan, const CutoutArrays& arrays, const int64_t* step, const Pictures& pictures,
                     void* views, Dtype dtype, void* workspace, Queue queue) {
    if (plan.batch == 0) return;
    const OnDevice guard(queue.device, "cutouts");
    auto* const pyramid = static_cast<float*>(workspace);
    if (!plan.exact) build_pyramid(plan, pictures, pyramid, queue.stream);
    const auto blocks = static_cast<unsigned>(int64_t{plan.batch} * plan.views * tiles_of(plan.size, plan.size));
    const auto kernel = plan.exact ? (plan.has_colour() ? forward_kernel<true, true> : forward_kernel<true, false>)
                                   : (plan.has_colour() ? forward_kernel<false, true> : forward_kernel<false, false>);
    kernel<<<blocks, kThreads, 0, static_cast<cudaStream_t>(queue.stream)>>>(
        plan, arrays, step, pictures, reinterpret_cast<const float4*>(pyramid), views_at(plan, views, dtype));
    check(cudaGetLastError(), "cutouts");
}

}  // namespace fastclipgen::cuda
