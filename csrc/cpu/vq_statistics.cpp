#include "cpu/vq_statistics.h"

#include <algorithm>
#include <vector>

#include "cpu/parallel.h"

namespace fastclipgen::cpu {
namespace {

constexpr int64_t kCodesPerPart = 64;

// The sum of the given rows, ascending, in double.
void add_rows(const Matrix& z, const int64_t* rows, int64_t count, double* sum, float* scratch) {
    std::fill_n(sum, z.columns, 0.0);
    for (int64_t i = 0; i < count; ++i) {
        const float* const row = z.row(rows[i], scratch);
        for (int64_t d = 0; d < z.columns; ++d) sum[d] += row[d];
    }
}

}  // namespace

void vq_statistics(const Matrix& z, const int64_t* indices, int64_t codes, int64_t* counts, float* sums,
                   int64_t* scratch, int threads) {
    // a counting sort keeps the order of the rows
    int64_t* const begins = scratch;  // [codes + 1]; in the end, where the rows of each code end
    int64_t* const order = scratch + codes + 1;
    const auto inside = [codes](int64_t code) { return code >= 0 && code < codes; };
    std::fill_n(counts, codes, 0);
    for (int64_t n = 0; n < z.rows; ++n) {
        if (inside(indices[n])) ++counts[indices[n]];
    }
    begins[0] = 0;
    for (int64_t code = 0; code < codes; ++code) begins[code + 1] = begins[code] + counts[code];
    for (int64_t n = 0; n < z.rows; ++n) {
        if (inside(indices[n])) order[begins[indices[n]]++] = n;
    }
    parallel_for((codes + kCodesPerPart - 1) / kCodesPerPart, threads, [&](int64_t part) {
        thread_local std::vector<double> sum;  // grows once
        thread_local std::vector<float> row;
        sum.resize(z.columns);
        row.resize(z.columns);
        const int64_t last = std::min((part + 1) * kCodesPerPart, codes);
        for (int64_t code = part * kCodesPerPart; code < last; ++code) {
            float* const out = sums + code * z.columns;
            if (counts[code] == 0) {
                std::fill_n(out, z.columns, 0.0f);
                continue;
            }
            add_rows(z, order + begins[code] - counts[code], counts[code], sum.data(), row.data());
            for (int64_t d = 0; d < z.columns; ++d) out[d] = static_cast<float>(sum[d]);
        }
    });
}

}  // namespace fastclipgen::cpu
