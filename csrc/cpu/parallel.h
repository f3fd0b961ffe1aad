// Threads that wait for work, so that an op of some ten microseconds need not start any.
#pragma once

#include <cstdint>
#include <functional>

namespace fastclipgen::cpu {

// Calls work(part) once for every part in 0..parts-1, on the calling thread and at most threads - 1 others, and returns
// when all are done. Which thread gets which part is not fixed: what a part computes must not depend on it. Work that
// itself calls parallel_for, or a second caller at the same time, is done on the caller's thread alone. `work` must not
// throw.
void parallel_for(int64_t parts, int threads, const std::function<void(int64_t)>& work);

}  // namespace fastclipgen::cpu
