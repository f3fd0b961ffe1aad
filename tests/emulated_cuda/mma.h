// Tensor cores of the emulated CUDA. The first lane of a warp holds the whole of a fragment and does the work of all.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

namespace nvcuda::wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major };

template <typename Use, int M, int N, int K, typename T, typename Layout = void>
struct fragment {
    static_assert(M == 16 && N == 16 && K == 16);
    float at[16][16];  // [row][depth] of a, [column][depth] of b, [row][column] of sums
};

template <int M, int N, int K>
void fill_fragment(fragment<accumulator, M, N, K, float>& sums, float value) {
    std::fill_n(&sums.at[0][0], 256, value);
}

template <typename Fragment>
void load_matrix_sync(Fragment& to, const __nv_bfloat16* from, unsigned line) {
    if (emulator::lane() != 0) return;
    for (int i = 0; i < 16; ++i) {
        for (int j = 0; j < 16; ++j) to.at[i][j] = __bfloat162float(from[i * line + j]);
    }
}

template <typename Sums, typename Left, typename Right>
void mma_sync(Sums& out, const Left& left, const Right& right, const Sums& sums) {
    if (emulator::lane() != 0) return;
    for (int i = 0; i < 16; ++i) {
        for (int j = 0; j < 16; ++j) {
            float sum = sums.at[i][j];
            for (int k = 0; k < 16; ++k) sum += left.at[i][k] * right.at[j][k];
            out.at[i][j] = sum;
        }
    }
}

template <typename Sums>
void store_matrix_sync(float* to, const Sums& sums, unsigned line, layout_t) {
    if (emulator::lane() != 0) return;
    for (int i = 0; i < 16; ++i) std::copy_n(sums.at[i], 16, to + i * line);
}

}  // namespace nvcuda::wmma
