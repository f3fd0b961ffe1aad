// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), for C++ and CUDA.
//
// Layout, the same in every backend: key = (seed low word, seed high word),
// counter = (element, cutout, step, stream). One call gives four words; `element` counts calls.
#pragma once

#include <cstdint>

#include "host_device.h"

namespace fastclipgen {

struct Words4 {
    uint32_t word[4];
};

FASTCLIPGEN_HD Words4 philox4x32_10(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
#if defined(__GNUC__) && !defined(__CUDACC__)
#pragma GCC unroll 10  // so that a loop over calls becomes vectors
#endif
    for (int round = 0; round < 10; ++round) {
        const uint64_t a = uint64_t{0xD2511F53u} * c0;
        const uint64_t b = uint64_t{0xCD9E8D57u} * c2;
        c0 = static_cast<uint32_t>(b >> 32) ^ c1 ^ k0;
        c1 = static_cast<uint32_t>(b);
        c2 = static_cast<uint32_t>(a >> 32) ^ c3 ^ k1;
        c3 = static_cast<uint32_t>(a);
        k0 += 0x9E3779B9u;  // golden ratio
        k1 += 0xBB67AE85u;  // sqrt(3) - 1
    }
    return {{c0, c1, c2, c3}};
}

// How a word is stored. int64: the word itself, because torch computes with it. float: a uniform in [0, 1) of 24 bits.
FASTCLIPGEN_HD void store_word(uint32_t word, int64_t* out) { *out = static_cast<int64_t>(word); }
FASTCLIPGEN_HD void store_word(uint32_t word, float* out) {
    *out = static_cast<float>(word >> 8) * (1.0f / 16777216.0f);
}

// The first `count` (1 to 4) of the words.
template <typename T>
FASTCLIPGEN_HD void store_words(const Words4& words, int64_t count, T* out) {
    if (count >= 4) {  // nearly always; a loop of fixed length is unrolled
        for (int i = 0; i < 4; ++i) store_word(words.word[i], out + i);
    } else {
        for (int i = 0; i < count; ++i) store_word(words.word[i], out + i);
    }
}

}  // namespace fastclipgen
