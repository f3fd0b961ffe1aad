// How the scores of one tile of codes x rows are computed and sieved, on the processors there are.
//
// A scorer packs rows of z into blocks of `rows` and codes into panels of lines, scores one tile, and tells which
// of its pairs may be a nearest one by the bounds of vq_bound.h. Everything else is vq_lookup.cpp's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "vq_bound.h"

#ifndef FASTCLIPGEN_INLINE
#if defined(__GNUC__)
#define FASTCLIPGEN_INLINE inline __attribute__((always_inline))
#else
#define FASTCLIPGEN_INLINE inline
#endif
#endif

namespace fastclipgen::cpu {

constexpr int kMaxTileRows = 32;     // the bits of a mask
constexpr int kMaxPanelCodes = 128;  // codes that are packed at once
constexpr int kMaxTileCodes = 32;

// What a tile is sieved by. Pair (code, row) passes unless half_square - dot - reach * norm > limit; NaN passes.
struct Sieve {
    const float* half_square;  // [codes]
    const float* norm;         // [codes]
    const float* reach;        // [rows]
    const float* limit;        // [rows]
};

struct Scorer {
    const char* name;
    int codes, rows;      // of one tile
    int panel_codes;      // a multiple of codes
    int depth_multiple;   // features are padded with zeros to a multiple of this
    int element_bytes;    // of a packed element
    int64_t least_depth;  // below this, the next scorer of the list is faster
    bool (*usable)();     // on this processor
    void (*enter)();      // before and after a thread's scoring, where not null
    void (*leave)();
    vq::RowTerms (*pack_row)(const float* x, int64_t depth, int row, void* block);
    vq::CodeTerms (*pack_code)(const float* x, int64_t depth, void* line);
    // dots[codes][rows] of a tile, and a mask of the rows that pass for each code. Returns whether any does.
    bool (*score)(const void* lines, int64_t line_bytes, const void* block, int64_t padded_depth, const Sieve& sieve,
                  float* dots, uint32_t* masks);
    double (*distance)(const float* a, const float* b, int64_t depth);  // squared, in double
};

extern const Scorer kAmx, kAvx512, kAvx2, kPortable;

// Those that this processor can run, best first.
const std::vector<const Scorer*>& scorers();

// The sum of f(0) + ... + f(n - 1) in double, in the same order on every processor.
template <typename F>
FASTCLIPGEN_INLINE double sum_of(int64_t n, F f) {
    double part[8] = {};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int lane = 0; lane < 8; ++lane) part[lane] += f(i + lane);
    }
    for (int lane = 0; i < n; ++i, ++lane) part[lane] += f(i);
    return ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
}

FASTCLIPGEN_INLINE double square_of(const float* x, int64_t n) {
    return sum_of(n, [x](int64_t i) { return static_cast<double>(x[i]) * x[i]; });
}

FASTCLIPGEN_INLINE double distance_of(const float* a, const float* b, int64_t n) {
    return sum_of(n, [a, b](int64_t i) {
        const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
        return difference * difference;
    });
}

}  // namespace fastclipgen::cpu
