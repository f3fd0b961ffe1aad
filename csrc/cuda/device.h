// What every CUDA launch needs: errors as exceptions, and the right device.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace fastclipgen::cuda {

inline void check(cudaError_t status, const char* op) {
    if (status != cudaSuccess) {
        throw std::runtime_error(std::string("CUDA ") + op + ": " + cudaGetErrorString(status));
    }
}

// The runtime linked in here keeps a current device of its own; the caller's is put back.
class OnDevice {
  public:
    OnDevice(int device, const char* op) {
        check(cudaGetDevice(&before_), op);
        if (device != before_) check(cudaSetDevice(device), op);
        moved_ = device != before_;
    }
    ~OnDevice() {
        if (moved_) cudaSetDevice(before_);
    }
    OnDevice(const OnDevice&) = delete;
    OnDevice& operator=(const OnDevice&) = delete;

  private:
    int before_ = 0;
    bool moved_ = false;
};

}  // namespace fastclipgen::cuda
