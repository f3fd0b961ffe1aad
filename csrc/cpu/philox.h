// Philox words and uniforms on the CPU.
#pragma once

#include <cstdint>

namespace fastclipgen::cpu {

// Fills out[batch, cutouts, n] (contiguous), T = int64_t for words or float for uniforms, with at most `threads`
// threads.
template <typename T>
void philox_fill(const int64_t* seeds, int64_t batch, uint32_t step, uint32_t stream, int64_t cutouts, int64_t n,
                 T* out, int threads);

}  // namespace fastclipgen::cpu
