// Scores by AMX tiles: products of bfloat16 copies, summed in float32; some ten times the float32 rate.
#include "cpu/vq_avx.h"

#if defined(FASTCLIPGEN_X86_SCORERS) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#define AMX __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,amx-tile,amx-bf16")))

namespace fastclipgen::cpu {
namespace {

// One step takes kStep features: a tile of codes holds 16 x 32, a tile of rows 16 pairs of features x 16 rows.
constexpr int kCodes = 32, kRows = 32, kStep = 32;
constexpr int kTileElements = 16 * 32;
constexpr int kAhead = 1024;  // floats: beyond the page that the processor itself reads ahead in

bool has_amx() {
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl") ||
        !__builtin_cpu_supports("avx512dq") || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        return false;
    }
    constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24;
    if ((d & kBf16) == 0 || (d & kTile) == 0) return false;
    // Linux saves the tiles of a process only when it has asked for them.
    constexpr long kRequestPermission = 0x1023, kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

struct alignas(64) Configuration {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t line_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t lines[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

AMX void enter() {
    static const Configuration configuration;
    _tile_loadconfig(&configuration);
}

AMX void leave() { _tile_release(); }

// 16 floats to bfloat16 in the upper half of each lane, to nearest even; finite and not beyond the largest bfloat16.
AMX inline __m512i round_16(__m512 x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    return _mm512_and_si512(up, _mm512_set1_epi32(static_cast<int>(0xFFFF0000u)));
}

AMX inline __m512d add_squares(__m512 x, __m512d sum) {
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    return _mm512_fmadd_pd(high, high, _mm512_fmadd_pd(low, low, sum));
}

struct Squares {
    double all, rounding;
};

// Rounds x[depth] to out, and sums the squares of x and of what rounding takes away.
AMX Squares round(const float* x, int64_t depth, uint16_t* out) {
    __m512d all = _mm512_setzero_pd(), rounding = _mm512_setzero_pd();
    for (int64_t i = 0; i < depth; i += 16) {
        __builtin_prefetch(x + i + kAhead);
        const auto live = static_cast<__mmask16>(depth - i < 16 ? (1u << (depth - i)) - 1 : 0xFFFFu);
        const __m512 value = _mm512_maskz_loadu_ps(live, x + i);
        const __m512i rounded = round_16(value);
        all = add_squares(value, all);
        rounding = add_squares(_mm512_sub_ps(value, _mm512_castsi512_ps(rounded)), rounding);  // exact
        _mm512_mask_cvtepi32_storeu_epi16(out + i, live, _mm512_srli_epi32(rounded, 16));
    }
    return {_mm512_reduce_add_pd(all), _mm512_reduce_add_pd(rounding)};
}

AMX vq::RowTerms pack_row(const float* x, int64_t depth, int row, void* block) {
    // [depth / 32][2 tiles][16 pairs][16 rows][2]
    auto* const out = static_cast<uint16_t*>(block) + (row / 16) * kTileElements + (row % 16) * 2;
    double all = 0.0, rounding = 0.0;
    for (int64_t i = 0; i < depth; i += kStep) {
        alignas(64) uint16_t rounded[kStep] = {};
        const Squares squares = round(x + i, depth - i < kStep ? depth - i : kStep, rounded);
        all += squares.all;
        rounding += squares.rounding;
        for (int pair = 0; pair < kStep / 2; ++pair) {
            std::memcpy(out + i * 2 * kTileElements / kStep + pair * 32, rounded + pair * 2, 2 * sizeof(uint16_t));
        }
    }
    const vq::RowTerms terms = vq::row_terms(all, rounding, vq::ieee_accumulation(depth), depth);
    if (!std::isfinite(terms.own)) {
        for (int64_t i = 0; i < depth; i += 2) {
            std::memset(out + i / kStep * 2 * kTileElements + i % kStep / 2 * 32, 0, 2 * sizeof(uint16_t));
        }
    }
    return terms;
}

AMX vq::CodeTerms pack_code(const float* x, int64_t depth, void* line) {
    const Squares squares = round(x, depth, static_cast<uint16_t*>(line));
    const vq::CodeTerms terms = vq::code_terms(squares.all, squares.rounding);
    if (!std::isfinite(terms.half_square)) std::memset(line, 0, depth * sizeof(uint16_t));
    return terms;
}

AMX bool score(const void* lines, int64_t line_bytes, const void* block, int64_t padded_depth, const Sieve& sieve,
               float* dots, uint32_t* masks) {
    const auto* codes = static_cast<const uint16_t*>(lines);
    const auto* rows = static_cast<const uint16_t*>(block);
    const int64_t second = line_bytes / static_cast<int64_t>(sizeof(uint16_t)) * 16;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t i = 0; i < padded_depth; i += kStep, codes += kStep, rows += 2 * kTileElements) {
        _tile_loadd(4, codes, line_bytes);
        _tile_loadd(6, rows, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, rows + kTileElements, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, codes + second, line_bytes);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, dots, kRows * sizeof(float));
    _tile_stored(1, dots + 16, kRows * sizeof(float));
    _tile_stored(2, dots + 16 * kRows, kRows * sizeof(float));
    _tile_stored(3, dots + 16 * kRows + 16, kRows * sizeof(float));
    return sieve_512<kCodes>(dots, sieve, masks);
}

AMX double distance(const float* a, const float* b, int64_t depth) { return distance_of(a, b, depth); }

}  // namespace

const Scorer kAmx = {"amx", kCodes, kRows,    kCodes * 4, kStep, sizeof(uint16_t), 16, has_amx,
                     enter, leave,  pack_row, pack_code,  score, distance};

}  // namespace fastclipgen::cpu

#else

namespace fastclipgen::cpu {

namespace {
bool never() { return false; }
}  // namespace
const Scorer kAmx = {"amx", 1, 1, 1, 1, 2, 0, never, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};

}  // namespace fastclipgen::cpu
#endif
