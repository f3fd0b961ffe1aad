// fastclipgen._C: functions on raw pointers. The Python side (fastclipgen/ops) checks shapes, dtypes and devices first.
#include <pybind11/pybind11.h>

#include "bindings/bindings.h"

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

}  // namespace

PYBIND11_MODULE(_C, m) {
    m.doc() = "Native operations of fastclipgen on raw pointers; knows nothing of torch.";
    m.def("build_info", &build_info, "How this module was compiled.");
    fastclipgen::bind_cosine_loss(m);
    fastclipgen::bind_cutouts(m);
    fastclipgen::bind_philox(m);
    fastclipgen::bind_vq_lookup(m);
}
