#include "cpu/cutouts.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/cutout_lanes.h"
#include "cpu/parallel.h"
#include "cpu/pyramid.h"

namespace fastclipgen::cpu {
namespace {

constexpr int kRowsAtOnce = 16;               // of a view, in one part of parallel work
constexpr int64_t kGradientFloats = 1 << 20;  // of view gradients between the two halves of the backward

// Memory that the calling thread keeps for its next call: a step needs no allocation, and no page is touched anew.
float* scratch(int which, int64_t floats) {
    constexpr int kAlignment = 16;
    thread_local std::vector<float> kept[3];
    std::vector<float>& buffer = kept[which];
    if (static_cast<int64_t>(buffer.size()) < floats + kAlignment) {
        std::vector<float>().swap(buffer);  // nothing in it is wanted: no copy
        buffer.resize(static_cast<size_t>(floats + kAlignment));
    }
    const auto address = reinterpret_cast<uintptr_t>(buffer.data());
    return buffer.data() + ((64 - address % 64) % 64) / sizeof(float);
}

// Everything about one view that its runs share.
struct View {
    const CutoutPlan& plan;
    const float *matrix, *colour, *erase;
    float noise_scale;
    Surroundings around;
    int64_t seed;
    uint32_t step;
    int number;           // n, within the picture
    float level;          // the mip level it wants
    const Level* levels;  // from plan.low on
};

View view_of(const CutoutPlan& plan, const CutoutArrays& arrays, uint32_t step, int64_t view, const Level* levels) {
    const float* matrix = arrays.matrix + 9 * view;
    return {plan,
            matrix,
            arrays.colour + 4 * view,
            arrays.erase + 4 * view,
            arrays.noise_scale[view],
            surroundings_of(plan, arrays, view),
            arrays.seeds[view / plan.views],
            step,
            static_cast<int>(view % plan.views),
            plan.low == plan.high ? 0.0f : view_level(matrix, plan.size),
            levels};
}

FASTCLIPGEN_INLINE void load_run(const CutoutPlan& plan, const float* view, Run run, Pixels& p) {
    for (int c = 0; c < 3; ++c) {
        if (plan.patch == 0) {
            std::memcpy(p.channel[c], view + view_offset(plan, c, run.y, run.x), run.count * sizeof(float));
        } else {
            for (int i = 0; i < run.count; ++i) p.channel[c][i] = view[view_offset(plan, c, run.y, run.x + i)];
        }
    }
}

FASTCLIPGEN_INLINE void store_run(const CutoutPlan& plan, const Pixels& p, Run run, float* view) {
    for (int c = 0; c < 3; ++c) {
        if (plan.patch == 0) {
            std::memcpy(view + view_offset(plan, c, run.y, run.x), p.channel[c], run.count * sizeof(float));
        } else {
            for (int i = 0; i < run.count; ++i) view[view_offset(plan, c, run.y, run.x + i)] = p.channel[c][i];
        }
    }
}

// What the perceptor sees before clamping and normalisation.
FASTCLIPGEN_INLINE void draw_run(const View& view, Run run, Pixels& p) {
    const CutoutPlan& plan = view.plan;
    sample(plan, view.around, view.matrix, view.level, view.levels, run, p);
    if (plan.has_colour()) colour(plan, view.colour, p);
    if (plan.erasing) erase(view.erase, run, p);
    if (plan.noise != Noise::kNone && view.noise_scale != 0.0f) {
        add_noise(plan, view.seed, view.step, view.number, view.noise_scale, run, p);
    }
}

FASTCLIPGEN_CLONES void forward_row(const View& view, int y, float* out) {
    const CutoutPlan& plan = view.plan;
    Pixels p;
    for (int x = 0; x < plan.size; x += kLanes) {
        const Run run{y, x, std::min(kLanes, plan.size - x)};
        draw_run(view, run, p);
        for (int c = 0; c < 3; ++c) {
            for (int i = 0; i < kLanes; ++i) {
                const float value = plan.clamp ? unit_range(p.channel[c][i]) : p.channel[c][i];
                p.channel[c][i] = (value - plan.mean[c]) * plan.inverse_std[c];
            }
        }
        store_run(plan, p, run, out);
    }
}

// The gradient of row y of the view before colour, [S, 4], from that of the finished view.
FASTCLIPGEN_CLONES void gradient_row(const View& view, int y, const float* grad_view, float* out) {
    const CutoutPlan& plan = view.plan;
    Pixels grad, p;
    for (int x = 0; x < plan.size; x += kLanes) {
        const Run run{y, x, std::min(kLanes, plan.size - x)};
        load_run(plan, grad_view, run, grad);
        for (int c = 0; c < 3; ++c) {
            for (int i = 0; i < kLanes; ++i) grad.channel[c][i] *= plan.inverse_std[c];
        }
        if (plan.clamp) {
            draw_run(view, run, p);
            for (int c = 0; c < 3; ++c) {
                for (int i = 0; i < kLanes; ++i) grad.channel[c][i] *= in_unit_range(p.channel[c][i]);
            }
        }
        if (plan.erasing) erase(view.erase, run, grad);
        if (plan.has_colour()) {
            sample(plan, view.around, view.matrix, view.level, view.levels, run, p);
            colour_gradient(plan, view.colour, p, grad);
        }
        for (int i = 0; i < run.count; ++i) {
            store_four(out + 4 * (x + i), make_four(grad.channel[0][i], grad.channel[1][i], grad.channel[2][i]));
        }
    }
}

// Adds row y of a view's gradient [S, 4] to the rows of the levels that lie in this band: of level k those from
// height_k * band / bands on.
FASTCLIPGEN_CLONES void scatter_row(const View& view, int y, const float* gradients, int band, int bands) {
    const CutoutPlan& plan = view.plan;
    for (int k = plan.low; k <= plan.high; ++k) {
        const Level& level = view.levels[k - plan.low];
        const int first = static_cast<int>(static_cast<int64_t>(level.height) * band / bands);
        const int end = static_cast<int>(static_cast<int64_t>(level.height) * (band + 1) / bands);
        if (plan.exact) {
            const int row = static_cast<int>(view.matrix[5]) + y;
            if (row < first || row >= end) continue;
            float* to = level.data + exact_place(plan, view.matrix, {y, 0, plan.size});
            for (int i = 0; i < 4 * plan.size; ++i) to[i] += gradients[i];
            continue;
        }
        const float share = level_share(plan, view.level, k);
        if (share == 0.0f) continue;
        Reads reads;
        for (int x = 0; x < plan.size; x += kLanes) {
            const Run run{y, x, std::min(kLanes, plan.size - x)};
            const float shrink = 1.0f / static_cast<float>(1 << k);
            find_reads(plan, view.around.padding, view.matrix, run, level, shrink, share, reads);
            scatter(level.data, reads, gradients + 4 * x, run.count, first, end);
        }
    }
}

template <typename Work>
void for_view_rows(const CutoutPlan& plan, int64_t views, int threads, const Work& work) {
    const int blocks = (plan.size + kRowsAtOnce - 1) / kRowsAtOnce;
    parallel_for(views * blocks, threads, [&](int64_t part) {
        const int first = static_cast<int>(part % blocks) * kRowsAtOnce;
        work(part / blocks, first, std::min(plan.size, first + kRowsAtOnce));
    });
}

// The levels of every picture in `data`, and pointers past those below plan.low.
std::vector<std::vector<Level>> all_levels(const CutoutPlan& plan, float* data) {
    std::vector<std::vector<Level>> levels;
    for (int b = 0; b < plan.batch; ++b) levels.push_back(pyramid_levels(plan, data + b * pyramid_floats(plan)));
    return levels;
}

std::vector<std::vector<Level>> build_all(const CutoutPlan& plan, const float* pictures, int threads) {
    auto levels = all_levels(plan, scratch(0, plan.batch * pyramid_floats(plan)));
    const int64_t picture = int64_t{3} * plan.height * plan.width;
    for (int b = 0; b < plan.batch; ++b) build_pyramid(plan, pictures + b * picture, levels[b], threads);
    return levels;
}

}  // namespace

void cutouts_forward(const CutoutPlan& plan, const CutoutArrays& arrays, uint32_t step, const float* pictures,
                     float* views, int threads) {
    const auto levels = build_all(plan, pictures, threads);
    const int64_t view_floats = int64_t{3} * plan.size * plan.size;
    for_view_rows(plan, int64_t{plan.batch} * plan.views, threads, [&](int64_t number, int first, int end) {
        const View view = view_of(plan, arrays, step, number, levels[number / plan.views].data() + plan.low);
        for (int y = first; y < end; ++y) forward_row(view, y, views + number * view_floats);
    });
}

void cutouts_backward(const CutoutPlan& plan, const CutoutArrays& arrays, uint32_t step, const float* pictures,
                      const float* grad_views, float* grad_pictures, int threads) {
    std::vector<std::vector<Level>> levels(plan.batch, std::vector<Level>(plan.high + 1));
    if (plan.nonlinear()) levels = build_all(plan, pictures, threads);
    const int64_t pyramid = plan.batch * pyramid_floats(plan);
    float* sums = scratch(1, pyramid);
    std::memset(sums, 0, pyramid * sizeof(float));
    const auto gradient_levels = all_levels(plan, sums);

    const int64_t all = int64_t{plan.batch} * plan.views, row = int64_t{4} * plan.size, square = row * plan.size;
    const int64_t group = std::clamp<int64_t>(kGradientFloats / square, 1, std::max<int64_t>(all, 1));
    float* gradients = scratch(2, group * square);
    for (int64_t begin = 0; begin < all; begin += group) {
        const int64_t end = std::min(all, begin + group);
        for_view_rows(plan, end - begin, threads, [&](int64_t k, int first, int last) {
            const int64_t number = begin + k;
            const View view = view_of(plan, arrays, step, number, levels[number / plan.views].data() + plan.low);
            const float* grad_view = grad_views + number * 3 * plan.size * plan.size;
            for (int y = first; y < last; ++y) gradient_row(view, y, grad_view, gradients + k * square + y * row);
        });
        // A band of a picture belongs to one part, which goes through the views in order.
        const int64_t first_picture = begin / plan.views, pictures_here = (end - 1) / plan.views + 1 - first_picture;
        const int bands = static_cast<int>(pictures_here >= threads ? 1 : (2 * threads) / pictures_here);
        parallel_for(pictures_here * bands, threads, [&](int64_t part) {
            const int64_t picture = first_picture + part / bands;
            const int64_t from = std::max(begin, picture * plan.views);
            const int64_t to = std::min(end, (picture + 1) * plan.views);
            for (int64_t number = from; number < to; ++number) {
                const View view = view_of(plan, arrays, step, number, gradient_levels[picture].data() + plan.low);
                const float* of_view = gradients + (number - begin) * square;
                for (int y = 0; y < plan.size; ++y) {
                    scatter_row(view, y, of_view + y * row, static_cast<int>(part % bands), bands);
                }
            }
        });
    }
    const int64_t picture_floats = int64_t{3} * plan.height * plan.width;
    for (int b = 0; b < plan.batch; ++b) {
        fold_pyramid(plan, gradient_levels[b], grad_pictures + b * picture_floats, threads);
    }
}

}  // namespace fastclipgen::cpu
