// The stages of a view on a run of pixels in one row, as loops that compilers turn into vectors.
//
// Pictures are held with four floats a pixel (red, green, blue, unused), so that a tap is one load.
#pragma once

#include <cstdint>

#include "cpu/simd.h"
#include "cutout_colour.h"
#include "cutout_geometry.h"
#include "cutout_plan.h"
#include "normals.h"

namespace fastclipgen::cpu {

constexpr int kLanes = 64;  // pixels at once: several vectors of any width, and few enough to stay in the first cache

struct Pixels {
    alignas(64) float channel[3][kLanes];
};

// One mip level of one picture.
struct Level {
    float* data;  // [height, width, 4]
    int height, width;
};

// What a run of pixels reads from one level.
struct Reads {
    alignas(64) int row0[kLanes], row1[kLanes];
    alignas(64) int at[4][kLanes];        // offsets into the level: top left, top right, bottom left, bottom right
    alignas(64) float weight[4][kLanes];  // the level's share of the view is in them
};

struct Run {
    int y, x, count;  // pixels x..x+count-1 of row y of a view
};

#if defined(__GNUC__)
typedef float Four __attribute__((vector_size(16)));
FASTCLIPGEN_INLINE Four load_four(const float* at) { return *reinterpret_cast<const Four*>(at); }
FASTCLIPGEN_INLINE void store_four(float* at, Four v) { *reinterpret_cast<Four*>(at) = v; }
FASTCLIPGEN_INLINE Four make_four(float r, float g, float b) { return Four{r, g, b, 0.0f}; }
#else
struct Four {
    float v[4];
    float operator[](int i) const { return v[i]; }
};
inline Four operator*(Four a, float s) { return {{a.v[0] * s, a.v[1] * s, a.v[2] * s, a.v[3] * s}}; }
inline Four operator*(float s, Four a) { return a * s; }
inline Four operator+(Four a, Four b) { return {{a.v[0] + b.v[0], a.v[1] + b.v[1], a.v[2] + b.v[2], a.v[3] + b.v[3]}}; }
inline Four load_four(const float* at) { return {{at[0], at[1], at[2], at[3]}}; }
inline void store_four(float* at, Four v) {
    for (int i = 0; i < 4; ++i) at[i] = v.v[i];
}
inline Four make_four(float r, float g, float b) { return {{r, g, b, 0.0f}}; }
#endif

template <bool perspective, Padding padding>
FASTCLIPGEN_INLINE void find_reads_of(const float* matrix, Run run, const Level& level, float shrink, float share,
                                      Reads& reads) {
    const float py = static_cast<float>(run.y) + 0.5f;
    const int height = level.height, width = level.width;
    float m[9];  // a copy, which no store below can change
    for (int i = 0; i < 9; ++i) m[i] = matrix[i];
    for (int i = 0; i < kLanes; ++i) {
        const Point p = source_point(m, static_cast<float>(run.x + i) + 0.5f, py, perspective);
        const Taps column = taps_of(p.x * shrink, width, padding), row = taps_of(p.y * shrink, height, padding);
        const int top = row.first * width, bottom = row.second * width;
        reads.row0[i] = row.first;
        reads.row1[i] = row.second;
        reads.at[0][i] = 4 * (top + column.first);
        reads.at[1][i] = 4 * (top + column.second);
        reads.at[2][i] = 4 * (bottom + column.first);
        reads.at[3][i] = 4 * (bottom + column.second);
        reads.weight[0][i] = share * row.weight0 * column.weight0;
        reads.weight[1][i] = share * row.weight0 * column.weight1;
        reads.weight[2][i] = share * row.weight1 * column.weight0;
        reads.weight[3][i] = share * row.weight1 * column.weight1;
    }
}

template <bool perspective>
FASTCLIPGEN_INLINE void find_reads_with(Padding padding, const float* matrix, Run run, const Level& level, float shrink,
                                        float share, Reads& reads) {
    if (padding == Padding::kBorder) {
        find_reads_of<perspective, Padding::kBorder>(matrix, run, level, shrink, share, reads);
    } else if (padding == Padding::kReflection) {
        find_reads_of<perspective, Padding::kReflection>(matrix, run, level, shrink, share, reads);
    } else {  // the fill colour is added later
        find_reads_of<perspective, Padding::kZeros>(matrix, run, level, shrink, share, reads);
    }
}

// Decides what the loop would otherwise decide for each pixel.
FASTCLIPGEN_INLINE void find_reads(const CutoutPlan& plan, Padding padding, const float* matrix, Run run,
                                   const Level& level, float shrink, float share, Reads& reads) {
    if (plan.perspective) {
        find_reads_with<true>(padding, matrix, run, level, shrink, share, reads);
    } else {
        find_reads_with<false>(padding, matrix, run, level, shrink, share, reads);
    }
}

// Adds what the reads find to out [kLanes, 4]. The compiler's vectors hold the channels of one pixel here.
FASTCLIPGEN_INLINE void gather(const float* data, const Reads& reads, int count, float* out) {
    for (int i = 0; i < count; ++i) {
        const Four top = load_four(data + reads.at[0][i]) * reads.weight[0][i] +
                         load_four(data + reads.at[1][i]) * reads.weight[1][i];
        const Four bottom = load_four(data + reads.at[2][i]) * reads.weight[2][i] +
                            load_four(data + reads.at[3][i]) * reads.weight[3][i];
        store_four(out + 4 * i, load_four(out + 4 * i) + (top + bottom));
    }
}

// The transpose of `gather`: adds gradients [count, 4] to the rows `first`..`end`-1 of a level.
FASTCLIPGEN_INLINE void scatter(float* data, const Reads& reads, const float* gradients, int count, int first,
                                int end) {
    for (int i = 0; i < count; ++i) {
        const Four gradient = load_four(gradients + 4 * i);
        for (int row = 0; row < 2; ++row) {
            const int y = row == 0 ? reads.row0[i] : reads.row1[i];
            if (y < first || y >= end) continue;
            for (int k = 2 * row; k < 2 * row + 2; ++k) {
                float* to = data + reads.at[k][i];
                store_four(to, load_four(to) + gradient * reads.weight[k][i]);
            }
        }
    }
}

// The one tap of whole-pixel crops: the array place of the run's first pixel.
FASTCLIPGEN_INLINE int64_t exact_place(const CutoutPlan& plan, const float* matrix, Run run) {
    const int row = static_cast<int>(matrix[5]) + run.y, column = static_cast<int>(matrix[2]) + run.x;
    return (static_cast<int64_t>(row) * plan.width + column) * 4;
}

// The view before colour, from levels[0] = mip level plan.low on.
FASTCLIPGEN_INLINE void sample(const CutoutPlan& plan, const Surroundings& around, const float* matrix, float wanted,
                               const Level* levels, Run run, Pixels& out) {
    if (plan.exact) {
        const float* from = levels[0].data + exact_place(plan, matrix, run);
        for (int i = 0; i < run.count; ++i) {
            for (int c = 0; c < 3; ++c) out.channel[c][i] = from[4 * i + c];
        }
        return;
    }
    alignas(64) float sum[kLanes][4];
    for (int i = 0; i < kLanes; ++i) {
        for (int c = 0; c < 4; ++c) sum[i][c] = 0.0f;
    }
    Reads reads;
    for (int k = plan.low; k <= plan.high; ++k) {
        const float share = level_share(plan, wanted, k);
        if (share == 0.0f) continue;
        const Level& level = levels[k - plan.low];
        find_reads(plan, around.padding, matrix, run, level, 1.0f / static_cast<float>(1 << k), share, reads);
        gather(level.data, reads, run.count, sum[0]);
        if (around.padding == Padding::kColour) {
            const Four fill = make_four(around.fill[0], around.fill[1], around.fill[2]);
            for (int i = 0; i < kLanes; ++i) {
                const float inside =
                    (reads.weight[0][i] + reads.weight[1][i]) + (reads.weight[2][i] + reads.weight[3][i]);
                store_four(sum[i], load_four(sum[i]) + fill * (share - inside));
            }
        }
    }
    for (int c = 0; c < 3; ++c) {
        for (int i = 0; i < kLanes; ++i) out.channel[c][i] = sum[i][c];
    }
}

template <typename Stage>
FASTCLIPGEN_INLINE void for_each(const Pixels& in, Pixels& out, const Stage& stage) {
    for (int i = 0; i < kLanes; ++i) {
        const Rgb done = stage(Rgb{in.channel[0][i], in.channel[1][i], in.channel[2][i]});
        out.channel[0][i] = done.r;
        out.channel[1][i] = done.g;
        out.channel[2][i] = done.b;
    }
}

template <typename Stage>
FASTCLIPGEN_INLINE void for_each_gradient(const Pixels& in, Pixels& grad, const Stage& stage) {
    for (int i = 0; i < kLanes; ++i) {
        const Rgb done = stage(Rgb{in.channel[0][i], in.channel[1][i], in.channel[2][i]},
                               Rgb{grad.channel[0][i], grad.channel[1][i], grad.channel[2][i]});
        grad.channel[0][i] = done.r;
        grad.channel[1][i] = done.g;
        grad.channel[2][i] = done.b;
    }
}

// `jitter` of cutout_colour.h, a loop for each stage.
FASTCLIPGEN_INLINE void colour(const CutoutPlan& plan, const float* factors, Pixels& p) {
    const float brightness = factors[0], contrast = factors[1], saturation = factors[2], hue = factors[3];
    if (plan.brightness_contrast) {
        for_each(p, p, [=](Rgb v) FASTCLIPGEN_INLINE_LAMBDA { return brightness_contrast(v, brightness, contrast); });
    }
    if (plan.saturation)
        for_each(p, p, [=](Rgb v) FASTCLIPGEN_INLINE_LAMBDA { return scale_saturation(v, saturation); });
    if (plan.hue && hue != 0.0f) for_each(p, p, [=](Rgb v) FASTCLIPGEN_INLINE_LAMBDA { return turn_hue(v, hue); });
}

// `jitter_gradient`: the view p before colour, and `grad` after it, becomes that before it.
FASTCLIPGEN_INLINE void colour_gradient(const CutoutPlan& plan, const float* factors, const Pixels& p, Pixels& grad) {
    const float brightness = factors[0], contrast = factors[1], saturation = factors[2], hue = factors[3];
    Pixels lit, full;
    const Pixels *after_light = &p, *after_saturation = &p;
    if (plan.brightness_contrast) {
        for_each(p, lit, [=](Rgb v) FASTCLIPGEN_INLINE_LAMBDA { return brightness_contrast(v, brightness, contrast); });
        after_light = after_saturation = &lit;
    }
    if (plan.hue && hue != 0.0f) {
        if (plan.saturation) {
            for_each(*after_light, full,
                     [=](Rgb v) FASTCLIPGEN_INLINE_LAMBDA { return scale_saturation(v, saturation); });
            after_saturation = &full;
        }
        for_each_gradient(*after_saturation, grad,
                          [=](Rgb v, Rgb g) FASTCLIPGEN_INLINE_LAMBDA { return turn_hue_gradient(v, hue, g); });
    }
    if (plan.saturation) {
        for_each_gradient(*after_light, grad, [=](Rgb v, Rgb g) FASTCLIPGEN_INLINE_LAMBDA {
            return scale_saturation_gradient(v, saturation, g);
        });
    }
    if (plan.brightness_contrast) {
        for_each_gradient(p, grad, [=](Rgb v, Rgb g) FASTCLIPGEN_INLINE_LAMBDA {
            return Rgb{g.r * brightness_contrast_slope(v.r, brightness, contrast),
                       g.g * brightness_contrast_slope(v.g, brightness, contrast),
                       g.b * brightness_contrast_slope(v.b, brightness, contrast)};
        });
    }
}

// Zeros inside the view's box; also the gradient of that.
FASTCLIPGEN_INLINE void erase(const float* box, Run run, Pixels& p) {
    const float row = static_cast<float>(run.y);
    if (row < box[1] || row >= box[3] || box[0] >= box[2]) return;
    for (int i = 0; i < kLanes; ++i) {
        const float column = static_cast<float>(run.x + i);
        const bool inside = column >= box[0] && column < box[2];
        for (int c = 0; c < 3; ++c) p.channel[c][i] = inside ? 0.0f : p.channel[c][i];
    }
}

// The draws of `calls` calls to Philox from call `first` on: noise [4 * calls].
template <int calls>
FASTCLIPGEN_INLINE void draw_noise(Noise kind, uint64_t key, uint32_t first, uint32_t view, uint32_t step,
                                   float* noise) {
    alignas(64) uint32_t word[4][calls];
    for (int i = 0; i < calls; ++i) {
        const Words4 words = philox4x32_10(first + i, view, step, kNoiseStream, static_cast<uint32_t>(key),
                                           static_cast<uint32_t>(key >> 32));
        for (int k = 0; k < 4; ++k) word[k][i] = words.word[k];
    }
    if (kind == Noise::kNormal) {
        alignas(64) float drawn[4][calls];
        for (int k = 0; k < 4; k += 2) {
            for (int i = 0; i < calls; ++i) {
                const Pair pair = normal_pair(word[k][i], word[k + 1][i]);
                drawn[k][i] = pair.cosine;
                drawn[k + 1][i] = pair.sine;
            }
        }
        for (int i = 0; i < calls; ++i) {
            for (int k = 0; k < 4; ++k) noise[4 * i + k] = drawn[k][i];
        }
    } else {
        for (int i = 0; i < calls; ++i) {
            for (int k = 0; k < 4; ++k) noise[4 * i + k] = uniform_of(word[k][i]);
        }
    }
}

// Noise for the run: draw i belongs to flat index i of [3, S, S].
FASTCLIPGEN_INLINE void add_noise(const CutoutPlan& plan, int64_t seed, uint32_t step, int view, float scale, Run run,
                                  Pixels& p) {
    alignas(64) float noise[2 * kLanes];
    const auto key = static_cast<uint64_t>(seed);
    for (int c = 0; c < 3; ++c) {
        const int64_t flat = (static_cast<int64_t>(c) * plan.size + run.y) * plan.size + run.x;
        const auto first = static_cast<uint32_t>(flat / 4);
        const int skip = static_cast<int>(flat % 4);  // the run may begin inside a call's four draws
        if (skip == 0) {
            draw_noise<kLanes / 4>(plan.noise, key, first, view, step, noise);
        } else {  // one call more would do, but not as whole vectors
            draw_noise<kLanes / 2>(plan.noise, key, first, view, step, noise);
        }
        for (int i = 0; i < kLanes; ++i) p.channel[c][i] += scale * noise[i + skip];
    }
}

}  // namespace fastclipgen::cpu
