// The mark of a function that C++ and CUDA share.
#pragma once

#ifdef __CUDACC__
#define FASTCLIPGEN_HD __host__ __device__ __forceinline__
#else
#define FASTCLIPGEN_HD inline
#endif
