#include "cpu/vq_lookup.h"

#include <pybind11/stl.h>

#include <array>
#include <cstdint>
#include <string>

#include "bindings/bindings.h"
#include "cpu/vq_statistics.h"
#include "vq_bound.h"
#ifdef FASTCLIPGEN_NVCC
#include "cuda/vq_lookup.h"
#endif

namespace py = pybind11;

namespace fastclipgen {
namespace {

cpu::Matrix matrix(uintptr_t data, int element, int64_t rows, int64_t columns, int64_t row_stride,
                   int64_t column_stride) {
    return {reinterpret_cast<const void*>(data),
            static_cast<cpu::Element>(element),
            rows,
            columns,
            row_stride,
            column_stride};
}

void vq_topk_cpu(uintptr_t z, int64_t n, int64_t z_row, int64_t z_column, uintptr_t codebook, int64_t codes,
                 int64_t code_row, int64_t code_column, int64_t depth, int element, int k, uintptr_t distances,
                 uintptr_t indices, uintptr_t scratch, int threads, const std::string& scorer) {
    cpu::vq_topk(matrix(z, element, n, depth, z_row, z_column),
                 matrix(codebook, element, codes, depth, code_row, code_column), k, reinterpret_cast<float*>(distances),
                 reinterpret_cast<int64_t*>(indices), reinterpret_cast<void*>(scratch), threads, scorer);
}

void vq_statistics_cpu(uintptr_t z, int64_t n, int64_t z_row, int64_t z_column, int64_t depth, int element,
                       uintptr_t indices, int64_t codes, uintptr_t counts, uintptr_t sums, uintptr_t scratch,
                       int threads) {
    cpu::vq_statistics(matrix(z, element, n, depth, z_row, z_column), reinterpret_cast<const int64_t*>(indices), codes,
                       reinterpret_cast<int64_t*>(counts), reinterpret_cast<float*>(sums),
                       reinterpret_cast<int64_t*>(scratch), threads);
}

#ifdef FASTCLIPGEN_NVCC
cuda::Matrix cuda_matrix(uintptr_t data, int element, int64_t rows, int64_t columns, int64_t row_stride,
                         int64_t column_stride) {
    return {reinterpret_cast<const void*>(data), element, rows, columns, row_stride, column_stride};
}

void vq_topk_cuda(uintptr_t z, int64_t n, int64_t z_row, int64_t z_column, uintptr_t codebook, int64_t codes,
                  int64_t code_row, int64_t code_column, int64_t depth, int element, int k, uintptr_t distances,
                  uintptr_t indices, uintptr_t scratch, int device, uintptr_t stream_handle) {
    cuda::vq_topk(cuda_matrix(z, element, n, depth, z_row, z_column),
                  cuda_matrix(codebook, element, codes, depth, code_row, code_column), k,
                  reinterpret_cast<float*>(distances), reinterpret_cast<int64_t*>(indices),
                  reinterpret_cast<void*>(scratch), device, reinterpret_cast<void*>(stream_handle));
}

void vq_add_rows_cuda(uintptr_t z, int64_t z_row, int64_t z_column, int64_t depth, int element, uintptr_t order,
                      uintptr_t begins, int64_t codes, uintptr_t sums, int device, uintptr_t stream_handle) {
    cuda::vq_add_rows(cuda_matrix(z, element, 0, depth, z_row, z_column), reinterpret_cast<const int64_t*>(order),
                      reinterpret_cast<const int64_t*>(begins), codes, reinterpret_cast<float*>(sums), device,
                      reinterpret_cast<void*>(stream_handle));
}
#endif

}  // namespace

void bind_vq_lookup(py::module_& m) {
    using namespace py::literals;
    using release_gil = py::call_guard<py::gil_scoped_release>;

    m.def(
        "vq_code_terms",
        [](double square, double rounding_square) {
            const auto terms = vq::code_terms(square, rounding_square);
            return std::array<float, 3>{terms.half_square, terms.norm, terms.rounding};
        },
        "square"_a, "rounding_square"_a, "What the bounds of vq_bound.h take from a code.");
    m.def(
        "vq_row_terms",
        [](double square, double rounding_square, int64_t depth, bool tensor_core) {
            const double accumulation =
                tensor_core ? vq::tensor_core_accumulation(depth) : vq::ieee_accumulation(depth);
            const auto terms = vq::row_terms(square, rounding_square, accumulation, depth);
            return std::array<float, 3>{terms.own, terms.norm, terms.blur};
        },
        "square"_a, "rounding_square"_a, "depth"_a, "tensor_core"_a, "What the bounds of vq_bound.h take from a row.");
    m.def("vq_width", &vq::width, "reach"_a, "half_square"_a, "norm"_a, "Upper less lower bound of a score.");
    m.def("vq_scorers", &cpu::vq_scorer_names, "How this processor can compute scores, best first.");
    m.def("vq_topk_scratch", &cpu::vq_topk_scratch, "rows"_a, "codes"_a, "depth"_a, "k"_a, "threads"_a, "scorer"_a,
          "Bytes of scratch memory that vq_topk needs.");
    m.def("vq_topk", &vq_topk_cpu, "z_ptr"_a, "n"_a, "z_row_stride"_a, "z_column_stride"_a, "codebook_ptr"_a, "codes"_a,
          "code_row_stride"_a, "code_column_stride"_a, "depth"_a, "element"_a, "k"_a, "distances_ptr"_a,
          "indices_ptr"_a, "scratch_ptr"_a, "threads"_a, "scorer"_a, release_gil(),
          "The k nearest codes of each row as int64 [n, k] and, unless its pointer is 0, squared distances float32 [n, "
          "k].");
    m.def("vq_statistics", &vq_statistics_cpu, "z_ptr"_a, "n"_a, "z_row_stride"_a, "z_column_stride"_a, "depth"_a,
          "element"_a, "indices_ptr"_a, "codes"_a, "counts_ptr"_a, "sums_ptr"_a, "scratch_ptr"_a, "threads"_a,
          release_gil(), "Rows of each code as int64 [codes], and their sums float32 [codes, depth].");
#ifdef FASTCLIPGEN_NVCC
    m.def("vq_topk_cuda_scratch", &cuda::vq_topk_scratch, "rows"_a, "codes"_a, "depth"_a,
          "Bytes of scratch memory that vq_topk_cuda needs.");
    m.def("vq_topk_cuda", &vq_topk_cuda, "z_ptr"_a, "n"_a, "z_row_stride"_a, "z_column_stride"_a, "codebook_ptr"_a,
          "codes"_a, "code_row_stride"_a, "code_column_stride"_a, "depth"_a, "element"_a, "k"_a, "distances_ptr"_a,
          "indices_ptr"_a, "scratch_ptr"_a, "device"_a, "stream_handle"_a, release_gil(),
          "As vq_topk, queued on a CUDA stream; all pointers are device pointers.");
    m.def("vq_add_rows_cuda", &vq_add_rows_cuda, "z_ptr"_a, "z_row_stride"_a, "z_column_stride"_a, "depth"_a,
          "element"_a, "order_ptr"_a, "begins_ptr"_a, "codes"_a, "sums_ptr"_a, "device"_a, "stream_handle"_a,
          release_gil(), "Sums of the rows order[begins[c]] .. order[begins[c + 1] - 1] of z, float32 [codes, depth].");
#endif
}

}  // namespace fastclipgen
