// What the cutouts kernels share. A block is a tile of 32 x 8 pixels, one thread each: a warp reads neighbouring pixels
// of a picture and writes neighbouring pixels of a view, and the rows of a tile find each other's pixels in the cache.
#pragma once

#include <cstdint>

#include "cuda/cutout_pyramid.h"
#include "cuda/cutouts.h"
#include "cuda/real.h"
#include "cutout_colour.h"
#include "cutout_geometry.h"
#include "cutout_plan.h"
#include "normals.h"

namespace fastclipgen::cuda {

constexpr int kTileWidth = 32, kTileHeight = 8, kThreads = kTileWidth * kTileHeight;

struct Tile {
    int number;  // of the view or picture in the batch
    int x, y;    // of the tile's first pixel
};

__host__ __device__ __forceinline__ int tiles_of(int height, int width) {
    return ((width + kTileWidth - 1) / kTileWidth) * ((height + kTileHeight - 1) / kTileHeight);
}

// A block's tile in a batch of planes of height x width.
__device__ __forceinline__ Tile tile_of(unsigned block, int height, int width) {
    const unsigned across = (width + kTileWidth - 1) / kTileWidth, tiles = tiles_of(height, width);
    const unsigned number = block / tiles, place = block - number * tiles;
    const unsigned row = place / across;
    return {static_cast<int>(number), static_cast<int>(place - row * across) * kTileWidth,
            static_cast<int>(row) * kTileHeight};
}

// Views, or gradients of views, in memory.
struct Views {
    void* data;
    Dtype dtype;
    int cells;            // patches along a side
    float inverse_patch;  // 1 / the side of a patch
};

__host__ __forceinline__ Views views_at(const CutoutPlan& plan, void* data, Dtype dtype) {
    if (plan.patch == 0) return {data, dtype, 0, 0.0f};
    return {data, dtype, plan.size / plan.patch, 1.0f / static_cast<float>(plan.patch)};
}

// Where the channels of a view's pixel are: view_offset of cutout_geometry.h without integer divisions.
struct Place {
    int64_t first;
    int step;  // to the next channel
};

__device__ __forceinline__ Place place_of(const CutoutPlan& plan, const Views& views, int number, int y, int x) {
    const int64_t view = static_cast<int64_t>(number) * 3 * plan.size * plan.size;
    if (plan.patch == 0) return {view + y * plan.size + x, plan.size * plan.size};
    const int p = plan.patch;
    // The quotient is never nearer to a whole number than half of 1 / p: exact for sides of less than 2^20 pixels.
    const int row = static_cast<int>((static_cast<float>(y) + 0.5f) * views.inverse_patch);
    const int column = static_cast<int>((static_cast<float>(x) + 0.5f) * views.inverse_patch);
    const int square = p * p;
    return {view + (row * views.cells + column) * 3 * square + (y - row * p) * p + (x - column * p), square};
}

// Noise of the pixels of a tile. Draw i belongs to flat index i of [3, S, S], and a call of Philox makes four in a row:
// the block makes every call once, and its threads find their draws in shared memory.
struct NoiseTile {
    static constexpr int kCalls = kTileWidth / 4 + 1;  // of a row: it may begin inside a call's four draws
    static_assert(3 * kTileHeight * kCalls <= kThreads - 32, "the last warp draws none: it finds the view meanwhile");
    float4 drawn[3][kTileHeight][kCalls];

    // What thread `thread` does of the work; a barrier must follow. x and y may lie outside the view, whose number
    // within the picture is n.
    __device__ __forceinline__ void draw(const CutoutPlan& plan, int64_t seed, uint32_t step, int n, int x, int y,
                                         int thread) {
        constexpr int kRows = 3 * kTileHeight, kMost = kRows * (kCalls - 1);
        if (thread >= kRows * kCalls) return;
        const int row = thread < kMost ? thread / (kCalls - 1) : thread - kMost;  // the last calls of rows come last:
        const int call = thread < kMost ? thread % (kCalls - 1) : kCalls - 1;     // mostly, none of them is needed
        const int channel = row / kTileHeight, line = row % kTileHeight;
        const int first = max(x, 0), end = min(x + kTileWidth, plan.size);
        if (y + line < 0 || y + line >= plan.size) return;
        const uint32_t flat = start(plan, channel, y + line, first);
        if (4 * call >= static_cast<int>(flat % 4) + end - first) return;
        const auto key = static_cast<uint64_t>(seed);
        const Words4 words = philox4x32_10(flat / 4 + call, n, step, kNoiseStream, static_cast<uint32_t>(key),
                                           static_cast<uint32_t>(key >> 32));
        if (plan.noise == Noise::kNormal) {
            const Pair a = normal_pair(words.word[0], words.word[1]), b = normal_pair(words.word[2], words.word[3]);
            drawn[channel][line][call] = make_float4(a.cosine, a.sine, b.cosine, b.sine);
        } else {
            drawn[channel][line][call] = make_float4(uniform_of(words.word[0]), uniform_of(words.word[1]),
                                                     uniform_of(words.word[2]), uniform_of(words.word[3]));
        }
    }

    // The draw of a pixel of the tile that began at x; px, py: the pixel in the view; line: its row in the tile.
    __device__ __forceinline__ float at(const CutoutPlan& plan, int channel, int line, int x, int px, int py) const {
        const int first = max(x, 0);
        const float* row = reinterpret_cast<const float*>(drawn[channel][line]);
        return row[px - first + start(plan, channel, py, first) % 4];
    }

  private:
    static __device__ __forceinline__ uint32_t start(const CutoutPlan& plan, int channel, int y, int x) {
        return static_cast<uint32_t>((channel * plan.size + y) * plan.size + x);
    }
};

// One of the two mip levels that a view is blended from.
struct Blend {
    int64_t start;  // in pixels, from the first pixel of the first picture's first level
    int height, width;
    float shrink, share;  // share 0: not read
};

// What the threads of a block need to know about their view, made once for all.
struct View {
    float matrix[9], colour[4], erase[4];
    float noise_scale;
    Surroundings around;
    Blend blend[2];
};

// Calls for one thread. number: of the view in the batch.
__device__ __forceinline__ void find_view(const CutoutPlan& plan, const CutoutArrays& arrays, int number, View& view) {
    for (int i = 0; i < 9; ++i) view.matrix[i] = arrays.matrix[9 * static_cast<int64_t>(number) + i];
    for (int i = 0; i < 4; ++i) view.colour[i] = arrays.colour[4 * static_cast<int64_t>(number) + i];
    for (int i = 0; i < 4; ++i) view.erase[i] = arrays.erase[4 * static_cast<int64_t>(number) + i];
    view.noise_scale = arrays.noise_scale[number];
    view.around = surroundings_of(plan, arrays, number);
    if (plan.exact) return;
    const float wanted = plan.low == plan.high ? 0.0f : view_level(view.matrix, plan.size);
    const int lower = min(max(static_cast<int>(wanted), plan.low), plan.high);
    const int64_t picture = number / plan.views * pyramid_pixels(plan);
    for (int i = 0; i < 2; ++i) {
        const int k = min(lower + i, plan.high);
        const Level level = level_of(plan, k);
        view.blend[i] = {picture + level.start, level.height, level.width, 1.0f / static_cast<float>(1 << k),
                         lower + i <= plan.high ? level_share(plan, wanted, k) : 0.0f};
    }
}

// What a view's pixel reads from one level: places within the level, and weights that hold the level's share.
struct Reads {
    int at[4];
    float weight[4];
};

__device__ __forceinline__ Reads find_reads(Padding padding, const Blend& level, Point p) {
    const Taps column = taps_of(p.x * level.shrink, level.width, padding);
    const Taps row = taps_of(p.y * level.shrink, level.height, padding);
    const float top = level.share * row.weight0, bottom = level.share * row.weight1;
    return {{row.first * level.width + column.first, row.first * level.width + column.second,
             row.second * level.width + column.first, row.second * level.width + column.second},
            {top * column.weight0, top * column.weight1, bottom * column.weight0, bottom * column.weight1}};
}

__device__ __forceinline__ Point source_of(const CutoutPlan& plan, const View& view, int x, int y) {
    return source_point(view.matrix, static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f, plan.perspective);
}

// A pixel of a view before colour, from the levels of all pictures.
__device__ __forceinline__ Rgb sample(const View& view, const float4* __restrict__ pyramid, Point p) {
    Rgb sum = {0.0f, 0.0f, 0.0f};
    for (const Blend& level : view.blend) {
        if (level.share == 0.0f) continue;
        const Reads reads = find_reads(view.around.padding, level, p);
        float inside = 0.0f;
        for (int k = 0; k < 4; ++k) {
            const float4 pixel = __ldg(pyramid + level.start + reads.at[k]);
            sum.r += pixel.x * reads.weight[k];
            sum.g += pixel.y * reads.weight[k];
            sum.b += pixel.z * reads.weight[k];
            inside += reads.weight[k];
        }
        if (view.around.padding == Padding::kColour) {
            sum.r += view.around.fill[0] * (level.share - inside);
            sum.g += view.around.fill[1] * (level.share - inside);
            sum.b += view.around.fill[2] * (level.share - inside);
        }
    }
    return sum;
}

__device__ __forceinline__ Rgb load_rgb(const Pictures& pictures, int picture, int y, int x) {
    const int64_t at = picture * pictures.strides[0] + y * pictures.strides[2] + x * pictures.strides[3];
    return {load_real(pictures.data, at, pictures.dtype),
            load_real(pictures.data, at + pictures.strides[1], pictures.dtype),
            load_real(pictures.data, at + 2 * pictures.strides[1], pictures.dtype)};
}

__device__ __forceinline__ bool erased(const float* box, int x, int y) {
    const auto column = static_cast<float>(x), row = static_cast<float>(y);
    return column >= box[0] && column < box[2] && row >= box[1] && row < box[3];
}

}  // namespace fastclipgen::cuda
