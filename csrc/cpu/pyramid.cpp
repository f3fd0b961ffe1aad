#include "cpu/pyramid.h"

#include <algorithm>

#include "cpu/parallel.h"

namespace fastclipgen::cpu {
namespace {

constexpr int kRowsAtOnce = 16;

FASTCLIPGEN_CLONES void interleave_row(const float* picture, int64_t plane, int width, float* out) {
    for (int x = 0; x < width; ++x) {
        for (int c = 0; c < 3; ++c) out[4 * x + c] = picture[c * plane + x];
        out[4 * x + 3] = 0.0f;
    }
}

FASTCLIPGEN_CLONES void separate_row(const float* in, int64_t plane, int width, float* out) {
    for (int x = 0; x < width; ++x) {
        for (int c = 0; c < 3; ++c) out[c * plane + x] = in[4 * x + c];
    }
}

// Row y of the coarser level.
FASTCLIPGEN_CLONES void halve_row(const Level& fine, const Level& coarse, int y) {
    const int64_t stride = static_cast<int64_t>(fine.width) * 4;
    const bool two_rows = 2 * y + 1 < fine.height;
    const float *top = fine.data + 2 * y * stride, *bottom = two_rows ? top + stride : top;
    float* out = coarse.data + static_cast<int64_t>(y) * coarse.width * 4;
    const int whole = fine.width / 2;
    for (int x = 0; x < whole; ++x) {
        const int left = 8 * x, right = left + 4;
        store_four(out + 4 * x, (load_four(top + left) + load_four(top + right) + load_four(bottom + left) +
                                 load_four(bottom + right)) *
                                    0.25f);
    }
    if (whole < coarse.width) {
        store_four(out + 4 * whole, (load_four(top + 8 * whole) + load_four(bottom + 8 * whole)) * 0.5f);
    }
}

// Adds to row y of the finer level its part of the coarser one's gradient.
FASTCLIPGEN_CLONES void unhalve_row(const Level& fine, const Level& coarse, int y) {
    const float rows = 2 * (y / 2) + 1 < fine.height ? 2.0f : 1.0f;
    const float* in = coarse.data + static_cast<int64_t>(y / 2) * coarse.width * 4;
    float* out = fine.data + static_cast<int64_t>(y) * fine.width * 4;
    for (int x = 0; x < fine.width; ++x) {
        const float columns = 2 * (x / 2) + 1 < fine.width ? 2.0f : 1.0f;
        store_four(out + 4 * x, load_four(out + 4 * x) + load_four(in + 4 * (x / 2)) * (1.0f / (rows * columns)));
    }
}

template <typename Work>
void for_rows(int rows, int threads, const Work& work) {
    const int parts = (rows + kRowsAtOnce - 1) / kRowsAtOnce;
    parallel_for(parts, threads, [&](int64_t part) {
        const int first = static_cast<int>(part) * kRowsAtOnce;
        for (int y = first; y < std::min(rows, first + kRowsAtOnce); ++y) work(y);
    });
}

}  // namespace

int64_t pyramid_floats(const CutoutPlan& plan) {
    int64_t pixels = 0;
    for (int k = 0; k <= plan.high; ++k) {
        pixels += static_cast<int64_t>(mip_length(plan.height, k)) * mip_length(plan.width, k);
    }
    return 4 * pixels;
}

std::vector<Level> pyramid_levels(const CutoutPlan& plan, float* data) {
    std::vector<Level> levels;
    for (int k = 0; k <= plan.high; ++k) {
        levels.push_back({data, mip_length(plan.height, k), mip_length(plan.width, k)});
        data += static_cast<int64_t>(levels.back().height) * levels.back().width * 4;
    }
    return levels;
}

void build_pyramid(const CutoutPlan& plan, const float* picture, const std::vector<Level>& levels, int threads) {
    const int64_t plane = static_cast<int64_t>(plan.height) * plan.width;
    for_rows(plan.height, threads, [&](int y) {
        const int64_t row = static_cast<int64_t>(y) * plan.width;
        interleave_row(picture + row, plane, plan.width, levels[0].data + 4 * row);
    });
    for (size_t k = 1; k < levels.size(); ++k) {
        for_rows(levels[k].height, threads, [&](int y) { halve_row(levels[k - 1], levels[k], y); });
    }
}

void fold_pyramid(const CutoutPlan& plan, const std::vector<Level>& levels, float* gradient, int threads) {
    for (size_t k = levels.size() - 1; k > 0; --k) {
        for_rows(levels[k - 1].height, threads, [&](int y) { unhalve_row(levels[k - 1], levels[k], y); });
    }
    const int64_t plane = static_cast<int64_t>(plan.height) * plan.width;
    for_rows(plan.height, threads, [&](int y) {
        const int64_t row = static_cast<int64_t>(y) * plan.width;
        separate_row(levels[0].data + 4 * row, plane, plan.width, gradient + row);
    });
}

}  // namespace fastclipgen::cpu
