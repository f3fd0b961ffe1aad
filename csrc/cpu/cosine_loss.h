// The prompt loss and its gradient on the CPU.
#pragma once

#include "../cosine_loss.h"  // a plain "cosine_loss.h" would find this file

namespace fastclipgen::cpu {

// Writes loss, similarities and, where wanted, the gradient of `call`, with at most `threads` threads. The number of
// threads changes no bit of the result, and no picture changes another's.
void cosine_loss(const CosineLoss& call, int threads);

}  // namespace fastclipgen::cpu
