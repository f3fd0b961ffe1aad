// The nearest rows of a codebook on the CPU, exact, without the matrix of distances.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cpu/matrix.h"

namespace fastclipgen::cpu {

// Names of the ways to compute scores that this processor has, best first.
std::vector<std::string> vq_scorer_names();

// Bytes of scratch memory that vq_topk needs.
size_t vq_topk_scratch(int64_t rows, int64_t codes, int64_t depth, int k, int threads, const std::string& scorer);

// For each of the N rows of z the k (1 to 16) nearest of the K (1 to 2^31 - 1) rows of the codebook: indices[N, k] and,
// where not null, squared distances[N, k], by distance, then by index, both as sums in double tell. A distance that is
// not finite counts as infinite. `scorer`: one of the names, or "auto". All results are the same with any scorer and
// any number of threads. scratch: vq_topk_scratch bytes, aligned to 64.
void vq_topk(const Matrix& z, const Matrix& codebook, int k, float* distances, int64_t* indices, void* scratch,
             int threads, const std::string& scorer);

}  // namespace fastclipgen::cpu
