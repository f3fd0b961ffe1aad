// Cutouts on the CPU: the fused twin of fastclipgen/ops/cutouts.py.
#pragma once

#include <cstdint>

#include "cutout_plan.h"

namespace fastclipgen::cpu {

// Views float32 from pictures [B, 3, H, W] float32, laid out as plan.patch says. step: of the noise's counter.
void cutouts_forward(const CutoutPlan& plan, const CutoutArrays& arrays, uint32_t step, const float* pictures,
                     float* views, int threads);

// The gradient to the pictures, [B, 3, H, W], from that of the views. Every pixel's sum is taken in the order of the
// views and their rows, whatever the number of threads.
void cutouts_backward(const CutoutPlan& plan, const CutoutArrays& arrays, uint32_t step, const float* pictures,
                      const float* grad_views, float* grad_pictures, int threads);

}  // namespace fastclipgen::cpu
