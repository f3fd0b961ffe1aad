// Philox words and uniforms on a CUDA device. No CUDA type here, so that plain C++ can include it.
#pragma once

#include <cstdint>

namespace fastclipgen::cuda {

// Fills out[batch, cutouts, n] (contiguous) on `device`, queued on `stream_handle` (a cudaStream_t).
// All pointers are device pointers; `step` too, so that a captured graph draws anew at every replay.
// T = int64_t for words or float for uniforms. Throws std::runtime_error when the launch fails.
template <typename T>
void philox_fill(const int64_t* seeds, int64_t batch, const int64_t* step, uint32_t stream, int64_t cutouts, int64_t n,
                 T* out, int device, void* stream_handle);

}  // namespace fastclipgen::cuda
