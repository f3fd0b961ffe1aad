// FASTCLIPGEN_CLONES: compiles a function several times, for the vector instructions that a processor may have, and
// lets the loader choose. What such a function calls must be inlined into it: FASTCLIPGEN_INLINE.
#pragma once

#include <cstdint>  // defines __GLIBC__ where that is the library

// glibc's loader can; elsewhere there is one version (arm64 always has NEON).
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FASTCLIPGEN_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define FASTCLIPGEN_CLONES
#endif

#if defined(__GNUC__)
#define FASTCLIPGEN_INLINE inline __attribute__((always_inline))
#define FASTCLIPGEN_INLINE_LAMBDA __attribute__((always_inline))
#elif defined(_MSC_VER)
#define FASTCLIPGEN_INLINE __forceinline
#define FASTCLIPGEN_INLINE_LAMBDA
#else
#define FASTCLIPGEN_INLINE inline
#define FASTCLIPGEN_INLINE_LAMBDA
#endif
