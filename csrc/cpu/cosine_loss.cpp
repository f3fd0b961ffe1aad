// Sums run over kLanes partial sums and products are not fused (CMakeLists.txt), so every processor gets the same bits.
#include "cpu/cosine_loss.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "cpu/lanes.h"
#include "cpu/parallel.h"

namespace fastclipgen::cpu {
namespace {

constexpr int64_t kWorkPerThread = 1 << 20;  // multiplications; fewer are done before another thread has woken up

struct View {
    const float* embedding;
    float inverse;  // 1 / length
    bool free;      // longer than kNormEps
};

// Some prompts of one picture; `inverses` as in View, `weights` 0 where inactive.
struct Prompts {
    const float *targets, *inverses, *weights, *stops;
};

// The P sums of a[i] * b[p * n + i].
template <int P>
FASTCLIPGEN_INLINE void dots(const float* a, const float* b, int64_t n, float* out) {
    Lanes sums[P], x, y;
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
        x.load(a + i);
        for (int p = 0; p < P; ++p) {
            y.load(b + p * n + i);
            sums[p].add_product(x, y);
        }
    }
    for (int p = 0; p < P; ++p) {
        out[p] = sums[p].sum();
        for (int64_t j = i; j < n; ++j) out[p] += a[j] * b[p * n + j];
    }
}

FASTCLIPGEN_INLINE View normalised(const float* embedding, int64_t n) {
    float square;
    dots<1>(embedding, embedding, n, &square);
    const float length = std::sqrt(square);
    const bool free = !(length < kNormEps);  // NaN goes on
    return {embedding, 1.0f / (free ? length : kNormEps), free};
}

// Element i of u - t, the unit vectors: exactly 0 where embedding and target are equal.
FASTCLIPGEN_INLINE float apart(const View& view, const float* target, float inverse, int64_t i) {
    return view.embedding[i] * view.inverse - target[i] * inverse;
}

// For the L1 distance: sums of |u - t| and of u * sign(u - t), its slope along the embedding. For L2: of (u - t)**2.
template <bool kAbsolute>
struct Sums {
    float distance[kLanes] = {}, along[kLanes] = {};

    FASTCLIPGEN_INLINE void add(const View& view, const float* target, float inverse, int64_t i, int lane) {
        const float difference = apart(view, target, inverse, i);
        distance[lane] += kAbsolute ? std::fabs(difference) : difference * difference;
        if (kAbsolute) along[lane] += view.embedding[i] * view.inverse * sign(difference);
    }

    FASTCLIPGEN_INLINE Sums(const View& view, const float* target, float inverse, int64_t n) {
        int64_t i = 0;
        for (; i + kLanes <= n; i += kLanes) {
            for (int lane = 0; lane < kLanes; ++lane) add(view, target, inverse, i + lane, lane);
        }
        for (int lane = 0; i < n; ++i, ++lane) add(view, target, inverse, i, lane);
    }
};

FASTCLIPGEN_INLINE float sum_of(const float* values) {
    Lanes lanes;
    lanes.load(values);
    return lanes.sum();
}

// gradient = (or +=) inverse * (sum of slopes[p] * t_p - back * u)
template <int P>
FASTCLIPGEN_INLINE void pull(const View& view, const Prompts& prompts, const float* slopes, float back, int64_t n,
                             bool add, float* gradient) {
    float toward[P];
    for (int p = 0; p < P; ++p) toward[p] = slopes[p] * prompts.inverses[p] * view.inverse;
    back *= view.inverse * view.inverse;
    for (int64_t i = 0; i < n; ++i) {
        float sum = -back * view.embedding[i];
        for (int p = 0; p < P; ++p) sum += toward[p] * prompts.targets[p * n + i];
        gradient[i] = add ? gradient[i] + sum : sum;
    }
}

// The same for L1, one prompt: gradient = (or +=) inverse * (slope * sign(u - t) - back * u)
FASTCLIPGEN_INLINE void pull_signs(const View& view, const Prompts& prompts, float slope, float back, int64_t n,
                                   bool add, float* gradient) {
    const float toward = slope * view.inverse;
    back *= view.inverse * view.inverse;
    for (int64_t i = 0; i < n; ++i) {
        const float sum =
            toward * sign(apart(view, prompts.targets, prompts.inverses[0], i)) - back * view.embedding[i];
        gradient[i] = add ? gradient[i] + sum : sum;
    }
}

// Writes P cosines and the gradient of P prompts (null: none); returns their distances, weighted. P is 1 for L1.
template <int P>
FASTCLIPGEN_INLINE float look(Kind kind, const View& view, const Prompts& prompts, float share, int64_t n, bool add,
                              float* cosines, float* gradient) {
    float slopes[P], back = 0.0f, sum = 0.0f;
    dots<P>(view.embedding, prompts.targets, n, cosines);
    for (int p = 0; p < P; ++p) {
        cosines[p] *= view.inverse * prompts.inverses[p];
        float along = 0.0f;
        Distance distance;
        if (kind == Kind::cosine) {
            distance = cosine_distance(cosines[p]);
        } else if (kind == Kind::spherical) {
            distance = spherical_distance(cosines[p]);
        } else if (kind == Kind::l1) {
            const Sums<true> sums(view, prompts.targets + p * n, prompts.inverses[p], n);
            distance = {sum_of(sums.distance), 1.0f};
            along = sum_of(sums.along);
        } else {
            const Sums<false> sums(view, prompts.targets + p * n, prompts.inverses[p], n);
            distance = euclidean_distance(sum_of(sums.distance));
        }
        const float weight = prompts.weights[p];
        sum += weight * distance.value;
        slopes[p] = above_stop(distance.value, weight, prompts.stops[p]) ? share * weight * distance.slope : 0.0f;
        back += slopes[p] * part_along(kind, view.free, cosines[p], along);
    }
    if (gradient != nullptr && kind == Kind::l1) {
        pull_signs(view, prompts, slopes[0], back, n, add, gradient);
    } else if (gradient != nullptr) {
        pull<P>(view, prompts, slopes, back, n, add, gradient);
    }
    return sum;
}

// A call's intermediate results.
struct Scratch {
    float* inverses;  // [B, P] 1 / length of the targets
    float* weights;   // [B, P] 0 where inactive
    float* shares;    // [B] what a view's weighted distances are multiplied with
    float* sums;      // [B, N] a view's weighted distances
};

FASTCLIPGEN_CLONES void prepare(const CosineLoss& call, const Scratch& scratch) {
    const int64_t prompts = call.prompts;
    for (int64_t b = 0; b < call.batch; ++b) {
        int64_t count = 0;
        for (int64_t i = b * prompts; i < (b + 1) * prompts; ++i) {
            scratch.inverses[i] = normalised(call.targets + i * call.features, call.features).inverse;
            scratch.weights[i] = call.active == nullptr || call.active[i] ? call.weights[i] : 0.0f;
            count += scratch.weights[i] != 0.0f;
        }
        scratch.shares[b] = share_of_view(call, b, count);
    }
}

// Views begin..end-1 of all views of all pictures.
FASTCLIPGEN_CLONES void look_at_views(const CosineLoss& call, const Scratch& scratch, int64_t begin, int64_t end) {
    thread_local std::vector<float> converted;
    const int64_t n = call.features;
    if (call.dtype != Float::fp32) converted.resize(n);
    for (int64_t row = begin; row < end; ++row) {
        const int64_t b = row / call.views, at = b * call.batch_stride + (row - b * call.views) * call.view_stride;
        const float* embedding = converted.data();
        if (call.dtype == Float::fp32) {
            embedding = static_cast<const float*>(call.embeddings) + at;
        } else if (call.dtype == Float::bf16) {
            from_bf16(static_cast<const uint16_t*>(call.embeddings) + at, n, converted.data());
        } else {
            from_fp16(static_cast<const uint16_t*>(call.embeddings) + at, n, converted.data());
        }
        const View view = normalised(embedding, n);
        float* gradient = call.gradient == nullptr ? nullptr : call.gradient + row * n;
        float* cosines = call.similarities + row * call.prompts;
        float sum = 0.0f;
        for (int64_t p = 0; p < call.prompts;) {
            const int64_t i = b * call.prompts + p, left = call.prompts - p;
            const Prompts prompts{call.targets + i * n, scratch.inverses + i, scratch.weights + i, call.stops + i};
            const float share = scratch.shares[b];
            if (call.kind == Kind::l1 || left == 1) {
                sum += look<1>(call.kind, view, prompts, share, n, p > 0, cosines + p, gradient);
                p += 1;
            } else if (left < 4) {
                sum += look<2>(call.kind, view, prompts, share, n, p > 0, cosines + p, gradient);
                p += 2;
            } else {
                sum += look<4>(call.kind, view, prompts, share, n, p > 0, cosines + p, gradient);
                p += 4;
            }
        }
        if (call.prompts == 0 && gradient != nullptr) std::fill(gradient, gradient + n, 0.0f);
        scratch.sums[row] = sum;
    }
}

}  // namespace

void cosine_loss(const CosineLoss& call, int threads) {
    thread_local std::vector<float> memory;
    const int64_t rows = call.batch * call.views, pairs = call.batch * call.prompts;
    memory.resize(2 * pairs + call.batch + rows);
    float* const start = memory.data();
    const Scratch scratch{start, start + pairs, start + 2 * pairs, start + 2 * pairs + call.batch};
    prepare(call, scratch);
    const int64_t work = rows * call.features * (2 * call.prompts + 2);
    const int64_t parts = std::clamp<int64_t>(work / kWorkPerThread, 1, std::max(threads, 1));
    parallel_for(parts, threads,
                 [&](int64_t part) { look_at_views(call, scratch, rows * part / parts, rows * (part + 1) / parts); });
    for (int64_t b = 0; b < call.batch; ++b) {
        double sum = 0.0;  // in this order, however the views were shared out
        for (int64_t view = 0; view < call.views; ++view) sum += scratch.sums[b * call.views + view];
        const float mean = static_cast<float>(sum) * scratch.shares[b];
        call.loss[b] = call.total == nullptr ? mean : call.total[b] + mean;
    }
}

}  // namespace fastclipgen::cpu
