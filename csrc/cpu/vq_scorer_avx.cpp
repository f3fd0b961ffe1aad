// Scores in float32 with AVX-512 or AVX2: sums of a whole tile stay in registers while the features pass.
#include "cpu/vq_avx.h"

#ifdef FASTCLIPGEN_X86_SCORERS
#define AVX512 __attribute__((target("avx512f")))
#define AVX2 __attribute__((target("avx2,fma")))

#include <cmath>

namespace fastclipgen::cpu {
namespace {

bool has_avx512() { return __builtin_cpu_supports("avx512f"); }
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

template <int kRows>
FASTCLIPGEN_INLINE vq::RowTerms pack_row(const float* x, int64_t depth, int row, void* block) {
    auto* const out = static_cast<float*>(block) + row;  // [depth][kRows]
    const vq::RowTerms terms = vq::row_terms(square_of(x, depth), 0.0, vq::ieee_accumulation(depth), depth);
    const bool bounded = std::isfinite(terms.own);
    for (int64_t i = 0; i < depth; ++i) out[i * kRows] = bounded ? x[i] : 0.0f;
    return terms;
}

FASTCLIPGEN_INLINE vq::CodeTerms pack_code(const float* x, int64_t depth, void* line) {
    auto* const out = static_cast<float*>(line);
    const vq::CodeTerms terms = vq::code_terms(square_of(x, depth), 0.0);
    const bool bounded = std::isfinite(terms.half_square);
    for (int64_t i = 0; i < depth; ++i) out[i] = bounded ? x[i] : 0.0f;
    return terms;
}

constexpr int kCodes512 = 14;  // by 2 vectors of rows: 28 of the 32 registers hold sums

AVX512 bool score_512(const void* lines, int64_t line_bytes, const void* block, int64_t padded_depth,
                      const Sieve& sieve, float* dots, uint32_t* masks) {
    const auto* const codes = static_cast<const float*>(lines);
    const auto* rows = static_cast<const float*>(block);
    const int64_t line = line_bytes / static_cast<int64_t>(sizeof(float));
    __m512 sums[kCodes512][2];
#pragma GCC unroll 14
    for (int c = 0; c < kCodes512; ++c) sums[c][0] = sums[c][1] = _mm512_setzero_ps();
    for (int64_t i = 0; i < padded_depth; ++i, rows += 32) {
        const __m512 z0 = _mm512_load_ps(rows), z1 = _mm512_load_ps(rows + 16);
#pragma GCC unroll 14
        for (int c = 0; c < kCodes512; ++c) {
            const __m512 value = _mm512_set1_ps(codes[c * line + i]);
            sums[c][0] = _mm512_fmadd_ps(value, z0, sums[c][0]);
            sums[c][1] = _mm512_fmadd_ps(value, z1, sums[c][1]);
        }
    }
#pragma GCC unroll 14
    for (int c = 0; c < kCodes512; ++c) {
        _mm512_store_ps(dots + c * 32, sums[c][0]);
        _mm512_store_ps(dots + c * 32 + 16, sums[c][1]);
    }
    return sieve_512<kCodes512>(dots, sieve, masks);
}

AVX512 vq::RowTerms pack_row_512(const float* x, int64_t depth, int row, void* block) {
    return pack_row<32>(x, depth, row, block);
}
AVX512 vq::CodeTerms pack_code_512(const float* x, int64_t depth, void* line) { return pack_code(x, depth, line); }
AVX512 double distance_512(const float* a, const float* b, int64_t depth) { return distance_of(a, b, depth); }

constexpr int kCodes2 = 6;  // by 2 vectors of rows: 12 of the 16 registers hold sums

AVX2 bool score_2(const void* lines, int64_t line_bytes, const void* block, int64_t padded_depth, const Sieve& sieve,
                  float* dots, uint32_t* masks) {
    const auto* const codes = static_cast<const float*>(lines);
    const auto* rows = static_cast<const float*>(block);
    const int64_t line = line_bytes / static_cast<int64_t>(sizeof(float));
    __m256 sums[kCodes2][2];
#pragma GCC unroll 6
    for (int c = 0; c < kCodes2; ++c) sums[c][0] = sums[c][1] = _mm256_setzero_ps();
    for (int64_t i = 0; i < padded_depth; ++i, rows += 16) {
        const __m256 z0 = _mm256_load_ps(rows), z1 = _mm256_load_ps(rows + 8);
#pragma GCC unroll 6
        for (int c = 0; c < kCodes2; ++c) {
            const __m256 value = _mm256_broadcast_ss(codes + c * line + i);
            sums[c][0] = _mm256_fmadd_ps(value, z0, sums[c][0]);
            sums[c][1] = _mm256_fmadd_ps(value, z1, sums[c][1]);
        }
    }
    uint32_t any = 0;
#pragma GCC unroll 6
    for (int c = 0; c < kCodes2; ++c) {
        const __m256 half = _mm256_broadcast_ss(sieve.half_square + c), norm = _mm256_broadcast_ss(sieve.norm + c);
        uint32_t mask = 0;
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) {
            _mm256_store_ps(dots + c * 16 + v * 8, sums[c][v]);
            const __m256 reach = _mm256_loadu_ps(sieve.reach + v * 8), limit = _mm256_loadu_ps(sieve.limit + v * 8);
            const __m256 lower = _mm256_fnmadd_ps(reach, norm, _mm256_sub_ps(half, sums[c][v]));
            mask |= static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(lower, limit, _CMP_NGT_UQ))) << (v * 8);
        }
        masks[c] = mask;
        any |= mask;
    }
    return any != 0;
}

AVX2 vq::RowTerms pack_row_2(const float* x, int64_t depth, int row, void* block) {
    return pack_row<16>(x, depth, row, block);
}
AVX2 vq::CodeTerms pack_code_2(const float* x, int64_t depth, void* line) { return pack_code(x, depth, line); }
AVX2 double distance_2(const float* a, const float* b, int64_t depth) { return distance_of(a, b, depth); }

}  // namespace

const Scorer kAvx512 = {"avx512", kCodes512, 32,           kCodes512 * 8, 1,         sizeof(float), 0, has_avx512,
                        nullptr,  nullptr,   pack_row_512, pack_code_512, score_512, distance_512};
const Scorer kAvx2 = {"avx2",   kCodes2, 16,      kCodes2 * 16, 1,           sizeof(float), 0,
                      has_avx2, nullptr, nullptr, pack_row_2,   pack_code_2, score_2,       distance_2};

}  // namespace fastclipgen::cpu

#else

namespace fastclipgen::cpu {

namespace {
bool never() { return false; }
}  // namespace
const Scorer kAvx512 = {"avx512", 1, 1, 1, 1, 4, 0, never, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
const Scorer kAvx2 = {"avx2", 1, 1, 1, 1, 4, 0, never, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};

}  // namespace fastclipgen::cpu
#endif
