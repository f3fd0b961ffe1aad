#include "cosine_loss.h"

#include <cstdint>

#include "bindings/bindings.h"
#include "cpu/cosine_loss.h"
#ifdef FASTCLIPGEN_NVCC
#include "cuda/cosine_loss.h"
#endif

namespace py = pybind11;

namespace fastclipgen {
namespace {

template <typename T>
T* at(uintptr_t address) {
    return reinterpret_cast<T*>(address);
}

// Python's arguments are the fields of CosineLoss in their order, addresses as numbers with 0 for null, and then those
// of the backend.
template <auto kBackend, typename... More>
void run(int64_t batch, int64_t views, int64_t prompts, int64_t features, uintptr_t embeddings, int64_t batch_stride,
         int64_t view_stride, int dtype, uintptr_t targets, uintptr_t weights, uintptr_t stops, uintptr_t active,
         uintptr_t total, uintptr_t scales, int64_t scale_stride, float scale, int kind, bool prompt_mean,
         uintptr_t loss, uintptr_t similarities, uintptr_t gradient, More... more) {
    const CosineLoss call{batch,
                          views,
                          prompts,
                          features,
                          at<const void>(embeddings),
                          batch_stride,
                          view_stride,
                          static_cast<Float>(dtype),
                          at<const float>(targets),
                          at<const float>(weights),
                          at<const float>(stops),
                          at<const uint8_t>(active),
                          at<const float>(total),
                          at<const float>(scales),
                          scale_stride,
                          scale,
                          static_cast<Kind>(kind),
                          prompt_mean,
                          at<float>(loss),
                          at<float>(similarities),
                          at<float>(gradient)};
    kBackend(call, more...);
}

#ifdef FASTCLIPGEN_NVCC
void on_stream(const CosineLoss& call, int device, uintptr_t stream) {
    cuda::cosine_loss(call, device, at<void>(stream));
}
#endif

}  // namespace

void bind_cosine_loss(py::module_& m) {
    using release_gil = py::call_guard<py::gil_scoped_release>;

    m.def("cosine_loss", &run<&cpu::cosine_loss, int>, release_gil(),
          "The prompt loss on the CPU: the fields of CosineLoss (csrc/cosine_loss.h), then the number of threads.");
#ifdef FASTCLIPGEN_NVCC
    m.def("cosine_loss_cuda", &run<&on_stream, int, uintptr_t>, release_gil(),
          "The prompt loss queued on a CUDA stream: the fields of CosineLoss, device pointers all, then device and "
          "stream.");
#endif
}

}  // namespace fastclipgen
