// What the scorers with AVX-512 share.
#pragma once

#include "cpu/vq_scorer.h"

// GCC and clang compile a function for the processor that it names; others get the portable scorer.
#if defined(__x86_64__) && (defined(__clang__) ? __clang_major__ >= 12 : defined(__GNUC__) && __GNUC__ >= 11)
#define FASTCLIPGEN_X86_SCORERS

#if !defined(__clang__)  // GCC 12 finds fault with its own header (its bug 105593)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif

namespace fastclipgen::cpu {

// Rows 0..31 of a tile [codes][32] against its sieve.
template <int kCodes>
__attribute__((target("avx512f"), always_inline)) inline bool sieve_512(const float* dots, const Sieve& sieve,
                                                                        uint32_t* masks) {
    const __m512 reach0 = _mm512_loadu_ps(sieve.reach), reach1 = _mm512_loadu_ps(sieve.reach + 16);
    const __m512 limit0 = _mm512_loadu_ps(sieve.limit), limit1 = _mm512_loadu_ps(sieve.limit + 16);
    uint32_t any = 0;
    for (int c = 0; c < kCodes; ++c) {
        const __m512 half = _mm512_set1_ps(sieve.half_square[c]), norm = _mm512_set1_ps(sieve.norm[c]);
        const __m512 lower0 = _mm512_fnmadd_ps(reach0, norm, _mm512_sub_ps(half, _mm512_load_ps(dots + c * 32)));
        const __m512 lower1 = _mm512_fnmadd_ps(reach1, norm, _mm512_sub_ps(half, _mm512_load_ps(dots + c * 32 + 16)));
        const uint32_t mask = _mm512_cmp_ps_mask(lower0, limit0, _CMP_NGT_UQ) |
                              static_cast<uint32_t>(_mm512_cmp_ps_mask(lower1, limit1, _CMP_NGT_UQ)) << 16;
        masks[c] = mask;
        any |= mask;
    }
    return any != 0;
}

}  // namespace fastclipgen::cpu
#endif
