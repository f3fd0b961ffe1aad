// The scorer for any processor, and the choice among all.
#include "cpu/vq_scorer.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#include <cmath>
#include <cstring>

namespace fastclipgen::cpu {
namespace {

// Four floats, which compilers that know vectors keep in one register of any processor.
struct Four {
#if defined(__aarch64__)
    float32x4_t lane;
#elif defined(__GNUC__)  // and clang
    typedef float Vector __attribute__((vector_size(16)));
    Vector lane;
#else
    float lane[4];
#endif

    // this + value * other, fused where the processor does that
    void add_product(float value, const Four& other) {
#if defined(__aarch64__)
        lane = vfmaq_n_f32(lane, other.lane, value);
#elif defined(__GNUC__)
        lane += value * other.lane;
#else
        for (int i = 0; i < 4; ++i) lane[i] += value * other.lane[i];
#endif
    }
};

#if defined(__aarch64__)
constexpr int kCodes = 6, kFours = 4;  // 24 of the 32 registers hold sums
#else
constexpr int kCodes = 4, kFours = 2;  // 8 of the 16
#endif
constexpr int kRows = kFours * 4;

bool always() { return true; }

vq::RowTerms pack_row(const float* x, int64_t depth, int row, void* block) {
    auto* const out = static_cast<float*>(block) + row;  // [depth][kRows]
    const vq::RowTerms terms = vq::row_terms(square_of(x, depth), 0.0, vq::ieee_accumulation(depth), depth);
    const bool bounded = std::isfinite(terms.own);
    for (int64_t i = 0; i < depth; ++i) out[i * kRows] = bounded ? x[i] : 0.0f;
    return terms;
}

vq::CodeTerms pack_code(const float* x, int64_t depth, void* line) {
    auto* const out = static_cast<float*>(line);
    const vq::CodeTerms terms = vq::code_terms(square_of(x, depth), 0.0);
    const bool bounded = std::isfinite(terms.half_square);
    for (int64_t i = 0; i < depth; ++i) out[i] = bounded ? x[i] : 0.0f;
    return terms;
}

bool score(const void* lines, int64_t line_bytes, const void* block, int64_t padded_depth, const Sieve& sieve,
           float* dots, uint32_t* masks) {
    const auto* const codes = static_cast<const float*>(lines);
    const auto* rows = static_cast<const float*>(block);
    const int64_t line = line_bytes / static_cast<int64_t>(sizeof(float));
    Four sums[kCodes][kFours] = {};
    for (int64_t i = 0; i < padded_depth; ++i, rows += kRows) {
        Four z[kFours];
        std::memcpy(z, rows, sizeof z);
        for (int c = 0; c < kCodes; ++c) {
            for (int f = 0; f < kFours; ++f) sums[c][f].add_product(codes[c * line + i], z[f]);
        }
    }
    std::memcpy(dots, sums, sizeof sums);
    uint32_t any = 0;
    for (int c = 0; c < kCodes; ++c) {
        masks[c] = 0;
        for (int r = 0; r < kRows; ++r) {
            const float lower = (sieve.half_square[c] - dots[c * kRows + r]) - sieve.reach[r] * sieve.norm[c];
            masks[c] |= static_cast<uint32_t>(!(lower > sieve.limit[r])) << r;
        }
        any |= masks[c];
    }
    return any != 0;
}

double distance(const float* a, const float* b, int64_t depth) { return distance_of(a, b, depth); }

}  // namespace

const Scorer kPortable = {"portable", kCodes,  kRows,   kCodes * 16, 1,         sizeof(float), 0,
                          always,     nullptr, nullptr, pack_row,    pack_code, score,         distance};

const std::vector<const Scorer*>& scorers() {
    static const std::vector<const Scorer*> usable = [] {
        std::vector<const Scorer*> found;
        for (const Scorer* scorer : {&kAmx, &kAvx512, &kAvx2, &kPortable}) {
            if (scorer->usable()) found.push_back(scorer);
        }
        return found;
    }();
    return usable;
}

}  // namespace fastclipgen::cpu
