// How many rows went to each code, and their sums: what the training of a codebook needs.
#pragma once

#include <cstdint>

#include "cpu/matrix.h"

namespace fastclipgen::cpu {

// counts[codes] of the rows n with indices[n] = code, and sums[codes, D] of those rows of z, added in double in the
// order of the rows: the same bits with any number of threads. An index outside 0..codes-1 leaves its row out. scratch:
// int64[codes + 1 + rows].
void vq_statistics(const Matrix& z, const int64_t* indices, int64_t codes, int64_t* counts, float* sums,
                   int64_t* scratch, int threads);

}  // namespace fastclipgen::cpu
