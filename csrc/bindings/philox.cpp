#include "cpu/philox.h"

#include <pybind11/stl.h>

#include <array>
#include <cstdint>

#include "bindings/bindings.h"
#include "philox.h"
#ifdef FASTCLIPGEN_NVCC
#include "cuda/philox.h"
#endif

namespace py = pybind11;

namespace fastclipgen {
namespace {

std::array<uint32_t, 4> philox_block(const std::array<uint32_t, 4>& counter, const std::array<uint32_t, 2>& key) {
    const auto words = philox4x32_10(counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
    return {words.word[0], words.word[1], words.word[2], words.word[3]};
}

template <typename T>
void philox_cpu(uintptr_t seeds, int64_t batch, int64_t step, uint32_t stream, int64_t cutouts, int64_t n,
                uintptr_t out, int threads) {
    cpu::philox_fill(reinterpret_cast<const int64_t*>(seeds), batch, static_cast<uint32_t>(step), stream, cutouts, n,
                     reinterpret_cast<T*>(out), threads);
}

#ifdef FASTCLIPGEN_NVCC
template <typename T>
void philox_cuda(uintptr_t seeds, int64_t batch, uintptr_t step, uint32_t stream, int64_t cutouts, int64_t n,
                 uintptr_t out, int device, uintptr_t stream_handle) {
    cuda::philox_fill(reinterpret_cast<const int64_t*>(seeds), batch, reinterpret_cast<const int64_t*>(step), stream,
                      cutouts, n, reinterpret_cast<T*>(out), device, reinterpret_cast<void*>(stream_handle));
}
#endif

}  // namespace

void bind_philox(py::module_& m) {
    using namespace py::literals;
    using release_gil = py::call_guard<py::gil_scoped_release>;

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

}  // namespace fastclipgen
