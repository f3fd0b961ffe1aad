// fastclipgen._C: functions on raw pointers. The Python side (fastclipgen/ops) checks shapes, dtypes and devices first.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cstdint>

#include "cpu/philox.h"
#include "philox.h"
#ifdef FASTCLIPGEN_NVCC
#include "cuda/philox.h"
#endif

namespace py = pybind11;

namespace {

py::dict build_info() {
    py::dict info;
    info["version"] = FASTCLIPGEN_VERSION;
    info["compiler"] = FASTCLIPGEN_COMPILER;
    info["cpp_standard"] = static_cast<long>(__cplusplus / 100 % 100);
    info["build_type"] = FASTCLIPGEN_BUILD_TYPE;
#ifdef FASTCLIPGEN_NVCC
    info["cuda"] = true;
    info["nvcc"] = FASTCLIPGEN_NVCC;
    info["cuda_archs"] = FASTCLIPGEN_ARCHS;
#else
    info["cuda"] = false;
    info["nvcc"] = py::none();
    info["cuda_archs"] = py::none();
#endif
    return info;
}

std::array<uint32_t, 4> philox_block(const std::array<uint32_t, 4>& counter, const std::array<uint32_t, 2>& key) {
    const auto words = fastclipgen::philox4x32_10(counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
    return {words.word[0], words.word[1], words.word[2], words.word[3]};
}

template <typename T>
void philox_cpu(uintptr_t seeds, int64_t batch, int64_t step, uint32_t stream, int64_t cutouts, int64_t n,
                uintptr_t out, int threads) {
    fastclipgen::cpu::philox_fill(reinterpret_cast<const int64_t*>(seeds), batch, static_cast<uint32_t>(step), stream,
                                  cutouts, n, reinterpret_cast<T*>(out), threads);
}

#ifdef FASTCLIPGEN_NVCC
template <typename T>
void philox_cuda(uintptr_t seeds, int64_t batch, uintptr_t step, uint32_t stream, int64_t cutouts, int64_t n,
                 uintptr_t out, int device, uintptr_t stream_handle) {
    fastclipgen::cuda::philox_fill(reinterpret_cast<const int64_t*>(seeds), batch,
                                   reinterpret_cast<const int64_t*>(step), stream, cutouts, n,
                                   reinterpret_cast<T*>(out), device, reinterpret_cast<void*>(stream_handle));
}
#endif

}  // namespace

PYBIND11_MODULE(_C, m) {
    using namespace py::literals;
    using release_gil = py::call_guard<py::gil_scoped_release>;

    m.doc() = "Native operations of fastclipgen on raw pointers; knows nothing of torch.";
    m.def("build_info", &build_info, "How this module was compiled.");
    m.def("philox_block", &philox_block, "counter"_a, "key"_a, "One Philox4x32-10 call: four words.");
    m.def("philox_words", &philox_cpu<int64_t>, "seeds_ptr"_a, "batch"_a, "step"_a, "stream"_a, "cutouts"_a, "n"_a,
          "out_ptr"_a, "threads"_a, release_gil(), "Words as int64 [batch, cutouts, n] at out_ptr, on the CPU.");
    m.def("philox_uniforms", &philox_cpu<float>, "seeds_ptr"_a, "batch"_a, "step"_a, "stream"_a, "cutouts"_a, "n"_a,
          "out_ptr"_a, "threads"_a, release_gil(), "Uniforms as float32 [batch, cutouts, n] at out_ptr, on the CPU.");
#ifdef FASTCLIPGEN_NVCC
    m.def("philox_words_cuda", &philox_cuda<int64_t>, "seeds_ptr"_a, "batch"_a, "step_ptr"_a, "stream"_a, "cutouts"_a,
          "n"_a, "out_ptr"_a, "device"_a, "stream_handle"_a, release_gil(),
          "Words as int64 [batch, cutouts, n] at out_ptr, queued on a CUDA stream; all pointers are device pointers.");
    m.def("philox_uniforms_cuda", &philox_cuda<float>, "seeds_ptr"_a, "batch"_a, "step_ptr"_a, "stream"_a, "cutouts"_a,
          "n"_a, "out_ptr"_a, "device"_a, "stream_handle"_a, release_gil(),
          "Uniforms as float32 [batch, cutouts, n], queued on a CUDA stream; all pointers are device pointers.");
#endif
}
