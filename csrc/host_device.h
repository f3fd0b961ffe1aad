// The mark of a function that C++ and CUDA share. Always inlined: functions of its own would exist for the oldest
// processor only, and loops that call them would be no vectors.
#pragma once

#ifdef __CUDACC__
#define FASTCLIPGEN_HD __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define FASTCLIPGEN_HD inline __attribute__((always_inline))
#else
#define FASTCLIPGEN_HD inline
#endif
