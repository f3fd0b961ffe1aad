// Nearest codes in three kernels: pack, score, select; kernels/vq_lookup.py is the same in Triton.
//
// pack rounds to bfloat16 and keeps what bounds need. score multiplies tiles on tensor cores and keeps, for every row
// and group of 32 codes, only the least lower and the least upper bound of their scores (vq_bound.h): 1/16 of N x K
// numbers. The k-th least upper bound belongs to the k-th of k different codes, so nothing above it is among the k
// nearest; select computes exact distances, in double, to all codes of the groups whose lower bound does not exceed it.
#include <cuda_pipeline.h>
#include <mma.h>

#include "cuda/device.h"
#include "cuda/vq_lookup.cuh"
#include "cuda/vq_lookup.h"

namespace fastclipgen::cuda {
namespace {

namespace wmma = nvcuda::wmma;

constexpr int kPackThreads = 256;
constexpr int kScoreThreads = 256;  // 8 warps, 2 x 4: each has 64 rows x 32 codes, which are one group
constexpr int kWarpRows = 64;
constexpr int kPadded = kStep + 8;  // elements of a line of a tile in shared memory: lines start in different banks
constexpr int kDotsLine = kGroup + 4;

// One warp rounds one row. Rows from `rows` on are padding.
template <typename T, bool kCodes>
__global__ void __launch_bounds__(kPackThreads)
    pack_kernel(const T* __restrict__ x, int64_t rows, int64_t depth, int64_t row_stride, int64_t column_stride,
                int64_t padded_rows, int64_t padded_depth, Packed out) {
    const int64_t row = (static_cast<int64_t>(blockIdx.x) * kPackThreads + threadIdx.x) / kWarp;
    const int lane = threadIdx.x % kWarp;
    if (row >= padded_rows) return;
    const T* const from = x + row * row_stride;
    const int64_t used = row < rows ? depth : 0;
    double square = 0.0, lost = 0.0;
    for (int64_t i = lane; i < used; i += kWarp) {
        const float value = to_float(from[i * column_stride]);
        const double rest = static_cast<double>(value) - __bfloat162float(__float2bfloat16_rn(value));
        square += static_cast<double>(value) * value;
        lost += rest * rest;
    }
    square = warp_sum(square);
    lost = warp_sum(lost);
    float first, norm, third;
    if (kCodes) {
        const vq::CodeTerms terms = vq::code_terms(row < rows ? square : INFINITY, lost);
        first = terms.half_square;
        norm = terms.norm;
        third = terms.rounding;
    } else {
        const vq::RowTerms terms = vq::row_terms(square, lost, vq::tensor_core_accumulation(depth), depth);
        first = terms.own;
        norm = terms.norm;
        third = terms.blur;
    }
    const bool bounded = fabsf(first) < INFINITY;
    for (int64_t i = lane; i < padded_depth; i += kWarp) {
        const float value = bounded && i < used ? to_float(from[i * column_stride]) : 0.0f;
        out.lines[row * padded_depth + i] = __float2bfloat16_rn(value);
    }
    if (lane == 0) {
        out.first[row] = first;
        out.norm[row] = norm;
        out.third[row] = third;
    }
}

struct __align__(32) Stage {
    __nv_bfloat16 z[kTile][kPadded], codes[kTile][kPadded];
};

// Copies features start .. start + kStep - 1 of the tile's rows and codes; the copies are waited for by their group.
__device__ __forceinline__ void fetch(Stage& stage, const __nv_bfloat16* z, const __nv_bfloat16* codes,
                                      int64_t padded_depth, int64_t start) {
    constexpr int kChunk = 16 / sizeof(__nv_bfloat16), kChunks = kStep / kChunk;
    for (int i = threadIdx.x; i < kTile * kChunks; i += kScoreThreads) {
        const int line = i / kChunks, at = i % kChunks * kChunk;
        const int64_t from = line * padded_depth + start + at;
        __pipeline_memcpy_async(&stage.z[line][at], z + from, 16);
        __pipeline_memcpy_async(&stage.codes[line][at], codes + from, 16);
    }
    __pipeline_commit();
}

// One tile of 128 rows x 128 codes to its bounds, lowers and uppers [rows, groups].
__global__ void __launch_bounds__(kScoreThreads)
    score_kernel(Packed z, Packed codes, int64_t rows, int64_t groups, int64_t padded_depth, float* __restrict__ lowers,
                 float* __restrict__ uppers) {
    __shared__ union __align__(32) {
        Stage stages[2];
        float dots[kScoreThreads / kWarp][16][kDotsLine];
    } shared;
    const int64_t first_row = static_cast<int64_t>(blockIdx.x) * kTile;
    const int64_t first_code = static_cast<int64_t>(blockIdx.y) * kTile;
    const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
    const int warp_row = warp / 4 * kWarpRows, warp_code = warp % 4 * kGroup;
    const __nv_bfloat16* const z_lines = z.lines + first_row * padded_depth;
    const __nv_bfloat16* const code_lines = codes.lines + first_code * padded_depth;

    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sums[4][2];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        wmma::fill_fragment(sums[i][0], 0.0f);
        wmma::fill_fragment(sums[i][1], 0.0f);
    }
    const int64_t steps = padded_depth / kStep;
    fetch(shared.stages[0], z_lines, code_lines, padded_depth, 0);
    for (int64_t step = 0; step < steps; ++step) {
        if (step + 1 < steps) {
            fetch(shared.stages[(step + 1) % 2], z_lines, code_lines, padded_depth, (step + 1) * kStep);
            __pipeline_wait_prior(1);
        } else {
            __pipeline_wait_prior(0);
        }
        __syncthreads();  // everyone's copies are there
        const Stage& stage = shared.stages[step % 2];
#pragma unroll
        for (int inner = 0; inner < kStep; inner += 16) {
            wmma::fragment<wmma::matrix_b, 16, 16, 16, __nv_bfloat16, wmma::col_major> right[2];
#pragma unroll
            for (int j = 0; j < 2; ++j) {
                wmma::load_matrix_sync(right[j], &stage.codes[warp_code + j * 16][inner], kPadded);
            }
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                wmma::fragment<wmma::matrix_a, 16, 16, 16, __nv_bfloat16, wmma::row_major> left;
                wmma::load_matrix_sync(left, &stage.z[warp_row + i * 16][inner], kPadded);
#pragma unroll
                for (int j = 0; j < 2; ++j) wmma::mma_sync(sums[i][j], left, right[j], sums[i][j]);
            }
        }
        __syncthreads();  // the stage is read: it may be filled again, or become `dots`
    }

    // 16 rows at a time through the warp's own part of shared memory; two lanes share a row.
    float (*const dots)[kDotsLine] = shared.dots[warp];
    const int64_t group = (first_code + warp_code) / kGroup;
    const int row_of_lane = lane % 16, half_of_lane = lane / 16 * 16;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        wmma::store_matrix_sync(&dots[0][0], sums[i][0], kDotsLine, wmma::mem_row_major);
        wmma::store_matrix_sync(&dots[0][16], sums[i][1], kDotsLine, wmma::mem_row_major);
        __syncwarp();
        const int64_t row = first_row + warp_row + i * 16 + row_of_lane;
        const float own = z.first[row], norm_of_row = z.norm[row], blur = z.third[row];
        float lower = INFINITY, upper = INFINITY;
        for (int c = half_of_lane; c < half_of_lane + 16; ++c) {
            const int64_t code = first_code + warp_code + c;
            const float half_square = codes.first[code], norm = codes.norm[code];
            if (half_square == INFINITY) continue;  // padding, or no distance to it is finite
            const float reach = own + codes.third[code] * norm_of_row;
            const float low = (half_square - dots[row_of_lane][c]) - reach * norm;
            const float high = low + vq::width(reach, half_square, norm);
            const bool bounded = fabsf(low) < INFINITY && high < INFINITY;
            if (!(low >= INFINITY)) lower = fminf(lower, bounded ? low : -INFINITY);  // NaN: nothing is known
            if (bounded) upper = fminf(upper, high + blur);
        }
        lower = fminf(lower, __shfl_xor_sync(kAll, lower, 16));
        upper = fminf(upper, __shfl_xor_sync(kAll, upper, 16));
        if (lane < 16 && row < rows && group < groups) {
            lowers[row * groups + group] = lower;
            uppers[row * groups + group] = upper;
        }
        __syncwarp();
    }
}

// Where everything lies in the scratch memory.
struct Layout {
    int64_t padded_rows, padded_codes, padded_depth, groups;
    size_t z, codes, z_terms, code_terms, lowers, uppers, bytes = 0;

    Layout(int64_t rows, int64_t all_codes, int64_t depth)
        : padded_rows(padded(rows, kTile)),
          padded_codes(padded(all_codes, kTile)),
          padded_depth(padded(depth, kStep)),
          groups(groups_of(all_codes)) {
        z = take(padded_rows * padded_depth * sizeof(__nv_bfloat16));
        codes = take(padded_codes * padded_depth * sizeof(__nv_bfloat16));
        z_terms = take(3 * padded_rows * sizeof(float));
        code_terms = take(3 * padded_codes * sizeof(float));
        lowers = take(rows * groups * sizeof(float));
        uppers = take(rows * groups * sizeof(float));
    }

  private:
    size_t take(int64_t size) {
        const size_t at = bytes;
        bytes += static_cast<size_t>(padded(size, 256));
        return at;
    }
};

Packed packed(char* scratch, size_t lines, size_t terms, int64_t rows) {
    auto* const first = reinterpret_cast<float*>(scratch + terms);
    return {reinterpret_cast<__nv_bfloat16*>(scratch + lines), first, first + rows, first + 2 * rows};
}

template <typename T>
void search(const Matrix& z, const Matrix& codebook, int k, float* distances, int64_t* indices, char* scratch,
            cudaStream_t stream) {
    const Layout at(z.rows, codebook.rows, z.columns);
    const Packed rows = packed(scratch, at.z, at.z_terms, at.padded_rows);
    const Packed codes = packed(scratch, at.codes, at.code_terms, at.padded_codes);
    auto* const lowers = reinterpret_cast<float*>(scratch + at.lowers);
    auto* const uppers = reinterpret_cast<float*>(scratch + at.uppers);
    const T* const z_data = static_cast<const T*>(z.data);
    const T* const code_data = static_cast<const T*>(codebook.data);
    pack_kernel<T, false><<<blocks(at.padded_rows, kPackThreads), kPackThreads, 0, stream>>>(
        z_data, z.rows, z.columns, z.row_stride, z.column_stride, at.padded_rows, at.padded_depth, rows);
    check(cudaGetLastError(), "vq_topk");
    pack_kernel<T, true><<<blocks(at.padded_codes, kPackThreads), kPackThreads, 0, stream>>>(
        code_data, codebook.rows, z.columns, codebook.row_stride, codebook.column_stride, at.padded_codes,
        at.padded_depth, codes);
    check(cudaGetLastError(), "vq_topk");
    const dim3 tiles(static_cast<unsigned>(at.padded_rows / kTile), static_cast<unsigned>(at.padded_codes / kTile));
    score_kernel<<<tiles, kScoreThreads, 0, stream>>>(rows, codes, z.rows, at.groups, at.padded_depth, lowers, uppers);
    check(cudaGetLastError(), "vq_topk");
    vq_select(z, codebook, k, lowers, uppers, distances, indices, stream);
}

}  // namespace

size_t vq_topk_scratch(int64_t rows, int64_t codes, int64_t depth) { return Layout(rows, codes, depth).bytes; }

void vq_topk(const Matrix& z, const Matrix& codebook, int k, float* distances, int64_t* indices, void* scratch,
             int device, void* stream_handle) {
    const OnDevice guard(device, "vq_topk");
    const auto run = z.element == 0 ? search<float> : z.element == 1 ? search<__nv_bfloat16> : search<__half>;
    run(z, codebook, k, distances, indices, static_cast<char*>(scratch), static_cast<cudaStream_t>(stream_handle));
}

}  // namespace fastclipgen::cuda
