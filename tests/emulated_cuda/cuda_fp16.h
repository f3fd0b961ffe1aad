// float16 of the emulated CUDA, by the compiler's own type.
#pragma once

#include <cuda_runtime.h>

using __half = _Float16;
inline float __half2float(__half v) { return static_cast<float>(v); }
inline __half __float2half_rn(float v) { return static_cast<__half>(v); }
