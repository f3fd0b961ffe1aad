#include "cpu/cutouts.h"

#include <pybind11/stl.h>

#include <array>
#include <cstdint>

#include "bindings/bindings.h"
#include "cutout_plan.h"
#ifdef FASTCLIPGEN_NVCC
#include "cuda/cutouts.h"
#endif

namespace py = pybind11;

namespace fastclipgen {
namespace {

using Whole = std::array<int, 17>;
using Real = std::array<float, 9>;
using Addresses = std::array<uintptr_t, 6>;

template <typename T>
T* at(uintptr_t address) {
    return reinterpret_cast<T*>(address);
}

CutoutArrays arrays_of(const Addresses& arrays) {
    return {at<const float>(arrays[0]), at<const float>(arrays[1]), at<const float>(arrays[2]),
            at<const float>(arrays[3]), at<const float>(arrays[4]), at<const int64_t>(arrays[5])};
}

// In the order of CutoutPlan: batch, views, height, width, size, patch, low, high, padding, noise, exact, perspective,
// brightness_contrast, saturation, hue, erasing, clamp; then fill, mean and std.
CutoutPlan plan_of(const Whole& whole, const Real& real) {
    CutoutPlan plan{};
    plan.batch = whole[0];
    plan.views = whole[1];
    plan.height = whole[2];
    plan.width = whole[3];
    plan.size = whole[4];
    plan.patch = whole[5];
    plan.low = whole[6];
    plan.high = whole[7];
    plan.padding = static_cast<Padding>(whole[8]);
    plan.noise = static_cast<Noise>(whole[9]);
    plan.exact = whole[10] != 0;
    plan.perspective = whole[11] != 0;
    plan.brightness_contrast = whole[12] != 0;
    plan.saturation = whole[13] != 0;
    plan.hue = whole[14] != 0;
    plan.erasing = whole[15] != 0;
    plan.clamp = whole[16] != 0;
    for (int c = 0; c < 3; ++c) {
        plan.fill[c] = real[c];
        plan.mean[c] = real[3 + c];
        plan.inverse_std[c] = 1.0f / real[6 + c];
    }
    return plan;
}

void forward_cpu(const Whole& whole, const Real& real, const Addresses& arrays, int64_t step, uintptr_t pictures,
                 uintptr_t views, int threads) {
    cpu::cutouts_forward(plan_of(whole, real), arrays_of(arrays), static_cast<uint32_t>(step),
                         at<const float>(pictures), at<float>(views), threads);
}

void backward_cpu(const Whole& whole, const Real& real, const Addresses& arrays, int64_t step, uintptr_t pictures,
                  uintptr_t grad_views, uintptr_t grad_pictures, int threads) {
    cpu::cutouts_backward(plan_of(whole, real), arrays_of(arrays), static_cast<uint32_t>(step),
                          at<const float>(pictures), at<const float>(grad_views), at<float>(grad_pictures), threads);
}

#ifdef FASTCLIPGEN_NVCC
cuda::Pictures pictures_of(uintptr_t data, const std::array<int64_t, 4>& strides, int dtype) {
    return {at<const void>(data), {strides[0], strides[1], strides[2], strides[3]}, static_cast<cuda::Dtype>(dtype)};
}

int64_t workspace_cuda(const Whole& whole, bool backward, bool deterministic) {
    return cuda::cutouts_workspace(plan_of(whole, Real{}), backward, deterministic);
}

void forward_cuda(const Whole& whole, const Real& real, const Addresses& arrays, uintptr_t step, uintptr_t pictures,
                  const std::array<int64_t, 4>& strides, int dtype, uintptr_t views, int views_dtype,
                  uintptr_t workspace, int device, uintptr_t stream) {
    cuda::cutouts_forward(plan_of(whole, real), arrays_of(arrays), at<const int64_t>(step),
                          pictures_of(pictures, strides, dtype), at<void>(views), static_cast<cuda::Dtype>(views_dtype),
                          at<void>(workspace), {device, at<void>(stream)});
}

void backward_cuda(const Whole& whole, const Real& real, const Addresses& arrays, uintptr_t step, uintptr_t pictures,
                   const std::array<int64_t, 4>& strides, int dtype, uintptr_t grad_views, int views_dtype,
                   uintptr_t grad_pictures, bool deterministic, uintptr_t workspace, int device, uintptr_t stream) {
    cuda::cutouts_backward(plan_of(whole, real), arrays_of(arrays), at<const int64_t>(step),
                           pictures_of(pictures, strides, dtype), at<const void>(grad_views),
                           static_cast<cuda::Dtype>(views_dtype), at<void>(grad_pictures), deterministic,
                           at<void>(workspace), {device, at<void>(stream)});
}
#endif

}  // namespace

void bind_cutouts(py::module_& m) {
    using namespace py::literals;
    using release_gil = py::call_guard<py::gil_scoped_release>;

    m.def("cutouts_forward", &forward_cpu, "whole"_a, "real"_a, "arrays"_a, "step"_a, "pictures"_a, "views"_a,
          "threads"_a, release_gil(), "Views of float32 pictures on the CPU; all arguments are addresses but numbers.");
    m.def("cutouts_backward", &backward_cpu, "whole"_a, "real"_a, "arrays"_a, "step"_a, "pictures"_a, "grad_views"_a,
          "grad_pictures"_a, "threads"_a, release_gil(), "The gradient to the pictures, on the CPU.");
#ifdef FASTCLIPGEN_NVCC
    m.def("cutouts_workspace_cuda", &workspace_cuda, "whole"_a, "backward"_a, "deterministic"_a,
          "Bytes of device memory that the functions below need.");
    m.def("cutouts_forward_cuda", &forward_cuda, "whole"_a, "real"_a, "arrays"_a, "step"_a, "pictures"_a, "strides"_a,
          "dtype"_a, "views"_a, "views_dtype"_a, "workspace"_a, "device"_a, "stream"_a, release_gil(),
          "Views, queued on a CUDA stream; all addresses are device addresses, dtypes those of csrc/cuda/cutouts.h.");
    m.def("cutouts_backward_cuda", &backward_cuda, "whole"_a, "real"_a, "arrays"_a, "step"_a, "pictures"_a, "strides"_a,
          "dtype"_a, "grad_views"_a, "views_dtype"_a, "grad_pictures"_a, "deterministic"_a, "workspace"_a, "device"_a,
          "stream"_a, release_gil(), "The gradient to the pictures, queued on a CUDA stream.");
#endif
}

}  // namespace fastclipgen
