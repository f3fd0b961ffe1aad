#include "cpu/cutouts.h"

#include <pybind11/stl.h>

#include <array>
#include <cstdint>

#include "bindings/bindings.h"
#include "cutout_plan.h"

namespace py = pybind11;

namespace fastclipgen {
namespace {

struct Handle {  // the addresses of CutoutArrays
    std::array<uintptr_t, 5> at;

    CutoutArrays arrays() const {
        return {reinterpret_cast<const float*>(at[0]), reinterpret_cast<const float*>(at[1]),
                reinterpret_cast<const float*>(at[2]), reinterpret_cast<const float*>(at[3]),
                reinterpret_cast<const int64_t*>(at[4])};
    }
};

// In the order of CutoutPlan: batch, views, height, width, size, patch, low, high, padding, noise, exact, perspective,
// brightness_contrast, saturation, hue, erasing, clamp; then fill, mean and std.
CutoutPlan plan_of(const std::array<int, 17>& whole, const std::array<float, 9>& real) {
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

using Whole = std::array<int, 17>;
using Real = std::array<float, 9>;
using Addresses = std::array<uintptr_t, 5>;

void forward_cpu(const Whole& whole, const Real& real, const Addresses& arrays, int64_t step, uintptr_t pictures,
                 uintptr_t views, int threads) {
    cpu::cutouts_forward(plan_of(whole, real), Handle{arrays}.arrays(), static_cast<uint32_t>(step),
                         reinterpret_cast<const float*>(pictures), reinterpret_cast<float*>(views), threads);
}

void backward_cpu(const Whole& whole, const Real& real, const Addresses& arrays, int64_t step, uintptr_t pictures,
                  uintptr_t grad_views, uintptr_t grad_pictures, int threads) {
    cpu::cutouts_backward(plan_of(whole, real), Handle{arrays}.arrays(), static_cast<uint32_t>(step),
                          reinterpret_cast<const float*>(pictures), reinterpret_cast<const float*>(grad_views),
                          reinterpret_cast<float*>(grad_pictures), threads);
}

}  // namespace

void bind_cutouts(py::module_& m) {
    using namespace py::literals;
    using release_gil = py::call_guard<py::gil_scoped_release>;

    m.def("cutouts_forward", &forward_cpu, "whole"_a, "real"_a, "arrays"_a, "step"_a, "pictures"_a, "views"_a,
          "threads"_a, release_gil(), "Views of float32 pictures on the CPU; all arguments are addresses but numbers.");
    m.def("cutouts_backward", &backward_cpu, "whole"_a, "real"_a, "arrays"_a, "step"_a, "pictures"_a, "grad_views"_a,
          "grad_pictures"_a, "threads"_a, release_gil(), "The gradient to the pictures, on the CPU.");
}

}  // namespace fastclipgen
