#include "cpu/philox.h"

#include <algorithm>

#include "../philox.h"  // a plain "philox.h" would find the one beside this file
#include "cpu/parallel.h"

namespace fastclipgen::cpu {
namespace {

constexpr int64_t kCallsPerThread = 1 << 13;  // fewer are done before another thread has woken up

struct Row {
    uint32_t cutout, step, stream, key0, key1;
};

// Values [4 * begin, min(4 * end, n)) of one row.
template <typename T>
void fill_row(const Row& row, int64_t begin, int64_t end, int64_t n, T* out) {
    for (int64_t element = begin; element < end; ++element) {
        const Words4 words =
            philox4x32_10(static_cast<uint32_t>(element), row.cutout, row.step, row.stream, row.key0, row.key1);
        store_words(words, std::min<int64_t>(n - element * 4, 4), out + element * 4);
    }
}

}  // namespace

template <typename T>
void philox_fill(const int64_t* seeds, int64_t batch, uint32_t step, uint32_t stream, int64_t cutouts, int64_t n,
                 T* out, int threads) {
    const int64_t calls_per_row = (n + 3) / 4;
    const int64_t calls = batch * cutouts * calls_per_row;
    if (calls == 0) return;
    const auto work = [=](int64_t begin, int64_t end) {
        while (begin < end) {
            const int64_t row = begin / calls_per_row;
            const int64_t first = begin - row * calls_per_row;
            const int64_t last = std::min(calls_per_row, first + end - begin);
            const auto seed = static_cast<uint64_t>(seeds[row / cutouts]);
            fill_row({static_cast<uint32_t>(row % cutouts), step, stream, static_cast<uint32_t>(seed),
                      static_cast<uint32_t>(seed >> 32)},
                     first, last, n, out + row * n);
            begin += last - first;
        }
    };
    const int64_t parts = std::clamp<int64_t>(calls / kCallsPerThread, 1, std::max(threads, 1));
    parallel_for(parts, threads, [&](int64_t part) { work(calls * part / parts, calls * (part + 1) / parts); });
}

template void philox_fill<int64_t>(const int64_t*, int64_t, uint32_t, uint32_t, int64_t, int64_t, int64_t*, int);
template void philox_fill<float>(const int64_t*, int64_t, uint32_t, uint32_t, int64_t, int64_t, float*, int);

}  // namespace fastclipgen::cpu
