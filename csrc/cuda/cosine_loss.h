// The prompt loss and its gradient on a CUDA device. No CUDA type here, so that plain C++ can include it.
#pragma once

#include "../cosine_loss.h"  // a plain "cosine_loss.h" would find this file

namespace fastclipgen::cuda {

// Writes loss, similarities and, where wanted, the gradient of `call`, all device pointers, in one launch on `device`,
// queued on `stream` (a cudaStream_t). The same bits at every call. Throws std::runtime_error when the launch fails.
void cosine_loss(const CosineLoss& call, int device, void* stream);

}  // namespace fastclipgen::cuda
