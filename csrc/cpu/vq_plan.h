// How a search is divided among tasks, and where everything lies in its scratch memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu/vq_candidates.h"
#include "cpu/vq_scorer.h"

namespace fastclipgen::cpu {

constexpr int64_t kChunkRows = 4096;    // rows that are packed at once
constexpr int64_t kPartCodes = 512;     // a task scores at least so many codes
constexpr int64_t kTasksPerThread = 2;  // so that a thread that is held up holds up less

inline int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

struct Plan {
    int64_t rows, blocks;                   // of a chunk
    int64_t code_parts, row_parts, panels;  // tasks: code_parts x row_parts
    int64_t padded_depth, line_bytes, lines_bytes, block_bytes;
    size_t blocks_at, own_at, norm_at, blur_at, limits_at, counts_at, uppers_at, lists_at, tasks_at, task_bytes,
        bytes = 0;

    Plan(const Scorer& s, int64_t all_rows, int64_t codes, int64_t depth, int k, int threads) {
        rows = std::min(round_up(all_rows, s.rows), round_up(kChunkRows, s.rows));
        blocks = rows / s.rows;
        panels = (codes + s.panel_codes - 1) / s.panel_codes;
        const int64_t tasks = threads > 1 ? threads * kTasksPerThread : 1;
        code_parts = std::clamp<int64_t>(codes / kPartCodes, 1, std::min(tasks, panels));
        row_parts = std::clamp<int64_t>(tasks / code_parts, 1, blocks);
        padded_depth = round_up(depth, s.depth_multiple);
        // one cache line more than the features need: lines do not compete for the same places of the cache
        line_bytes = round_up(padded_depth * s.element_bytes, 64) + 64;
        block_bytes = round_up(padded_depth * s.element_bytes * s.rows, 64);
        blocks_at = take(blocks * block_bytes);
        own_at = take(rows * sizeof(float));
        norm_at = take(rows * sizeof(float));
        blur_at = take(rows * sizeof(float));
        limits_at = take(rows * sizeof(float));
        counts_at = take(code_parts * rows * sizeof(int32_t));
        uppers_at = take(code_parts * rows * k * sizeof(float));
        lists_at = take(code_parts * rows * Candidates::capacity(k) * sizeof(Candidate));
        lines_bytes = s.panel_codes * line_bytes;
        task_bytes = lines_bytes + 2 * round_up(depth * sizeof(float), 64);
        tasks_at = take(code_parts * row_parts * task_bytes);
    }

  private:
    size_t take(int64_t size) {
        const size_t at = bytes;
        bytes += static_cast<size_t>(round_up(size, 64));
        return at;
    }
};

}  // namespace fastclipgen::cpu
