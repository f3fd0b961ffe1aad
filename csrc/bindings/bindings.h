// One function for each op: it adds the op's functions, on raw pointers, to the module.
#pragma once

#include <pybind11/pybind11.h>

namespace fastclipgen {

void bind_cosine_loss(pybind11::module_& m);
void bind_cutouts(pybind11::module_& m);
void bind_philox(pybind11::module_& m);
void bind_vq_lookup(pybind11::module_& m);

}  // namespace fastclipgen
