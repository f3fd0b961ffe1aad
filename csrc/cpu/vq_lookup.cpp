// Rows are packed once, codes a panel at a time by the thread that scores them. A tile of scores lives in the first
// cache only: pairs that pass its sieve go to the short list of their row. What is left in a row's lists at the end,
// mostly one code, is compared by exact distances.
#include "cpu/vq_lookup.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "cpu/parallel.h"
#include "cpu/vq_candidates.h"
#include "cpu/vq_plan.h"
#include "cpu/vq_scorer.h"

namespace fastclipgen::cpu {
namespace {

static_assert(sizeof(std::atomic<float>) == sizeof(float) && std::atomic<float>::is_always_lock_free);

const Scorer& find_scorer(const std::string& name, int64_t depth) {
    for (const Scorer* scorer : scorers()) {
        if (name == "auto" ? depth >= scorer->least_depth : name == scorer->name) return *scorer;
    }
    throw std::invalid_argument("vq_topk: no scorer '" + name + "' on this processor");
}

int lowest_bit(uint32_t mask) {
#if defined(__GNUC__)
    return __builtin_ctz(mask);
#else
    int bit = 0;
    while ((mask >> bit & 1u) == 0) ++bit;
    return bit;
#endif
}

class Search {
  public:
    Search(const Scorer& scorer, const Plan& plan, const Matrix& z, const Matrix& codebook, int k, float* distances,
           int64_t* indices, void* scratch)
        : scorer_(scorer),
          plan_(plan),
          z_(z),
          codebook_(codebook),
          k_(k),
          distances_(distances),
          indices_(indices),
          memory_(static_cast<char*>(scratch)) {}

    void run(int threads) {
        for (first_ = 0; first_ < z_.rows; first_ += plan_.rows) {
            live_ = std::min(plan_.rows, z_.rows - first_);
            // every task of a phase has its own scratch memory
            const int64_t tasks = plan_.code_parts * plan_.row_parts;
            parallel_for(tasks, threads, [&](int64_t t) {
                for (int64_t b = plan_.blocks * t / tasks; b < plan_.blocks * (t + 1) / tasks; ++b) pack(b, t);
            });
            parallel_for(tasks, threads, [&](int64_t t) { scan(t); });
            parallel_for(tasks, threads, [&](int64_t t) {
                for (int64_t row = live_ * t / tasks; row < live_ * (t + 1) / tasks; ++row) finish(row, t);
            });
        }
    }

  private:
    template <typename T>
    T* at(size_t offset) const {
        return reinterpret_cast<T*>(memory_ + offset);
    }
    char* lines(int64_t task) const { return memory_ + plan_.tasks_at + task * plan_.task_bytes; }
    float* z_scratch(int64_t task) const { return reinterpret_cast<float*>(lines(task) + plan_.lines_bytes); }
    float* code_scratch(int64_t task) const { return z_scratch(task) + round_up(z_.columns, 16); }
    const float* z_row(int64_t row, int64_t task) const { return z_.row(first_ + row, z_scratch(task)); }
    const float* code_row(int64_t code, int64_t task) const { return codebook_.row(code, code_scratch(task)); }
    // A limit holds for the row whichever part of the codes found it, so a lost update costs nothing but time.
    std::atomic<float>& limit(int64_t row) const { return at<std::atomic<float>>(plan_.limits_at)[row]; }
    Candidates candidates(int64_t part, int64_t row, float& limit) const {
        const int64_t place = part * plan_.rows + row;
        return {at<Candidate>(plan_.lists_at) + place * Candidates::capacity(k_),
                at<float>(plan_.uppers_at) + place * k_, at<int32_t>(plan_.counts_at)[place], limit, k_};
    }

    void pack(int64_t block, int64_t task) {
        char* const packed = at<char>(plan_.blocks_at) + block * plan_.block_bytes;
        std::memset(packed, 0, plan_.block_bytes);
        for (int row = 0; row < scorer_.rows; ++row) {
            const int64_t index = block * scorer_.rows + row;
            vq::RowTerms terms = {0.0f, 0.0f, 0.0f};
            if (index < live_) terms = scorer_.pack_row(z_row(index, task), z_.columns, row, packed);
            at<float>(plan_.own_at)[index] = terms.own;
            at<float>(plan_.norm_at)[index] = terms.norm;
            at<float>(plan_.blur_at)[index] = terms.blur;
            float largest = std::numeric_limits<float>::max();
            limit(index).store(largest, std::memory_order_relaxed);
            for (int64_t part = 0; part < plan_.code_parts; ++part) {
                const Candidates found = candidates(part, index, largest);
                found.count = 0;
                std::fill_n(found.uppers, k_, largest);
            }
        }
    }

    struct Panel {
        int64_t first, codes;
        float rounding;  // the largest of the panel
        float half_square[kMaxPanelCodes], norm[kMaxPanelCodes];
    };

    void scan(int64_t task) {
        const int64_t part = task % plan_.code_parts, group = task / plan_.code_parts;
        const int64_t begin = plan_.panels * part / plan_.code_parts,
                      end = plan_.panels * (part + 1) / plan_.code_parts;
        if (scorer_.enter != nullptr) scorer_.enter();
        for (int64_t p = begin; p < end; ++p) {
            Panel panel;
            pack_panel(p, panel, task);
            const int64_t last = plan_.blocks * (group + 1) / plan_.row_parts;
            for (int64_t b = plan_.blocks * group / plan_.row_parts; b < last; ++b) scan_block(panel, b, part, task);
        }
        if (scorer_.leave != nullptr) scorer_.leave();
    }

    void pack_panel(int64_t index, Panel& panel, int64_t task) const {
        panel.first = index * scorer_.panel_codes;
        panel.codes = std::min<int64_t>(scorer_.panel_codes, codebook_.rows - panel.first);
        panel.rounding = 0.0f;
        const int64_t used = codebook_.columns * scorer_.element_bytes;
        char* line = lines(task);
        for (int64_t c = 0; c < round_up(panel.codes, scorer_.codes); ++c, line += plan_.line_bytes) {
            vq::CodeTerms terms = {INFINITY, 0.0f, 0.0f};
            if (c < panel.codes) {
                terms = scorer_.pack_code(code_row(panel.first + c, task), codebook_.columns, line);
                std::memset(line + used, 0, plan_.line_bytes - used);
            } else {
                std::memset(line, 0, plan_.line_bytes);
            }
            panel.half_square[c] = terms.half_square;
            panel.norm[c] = terms.norm;
            panel.rounding = std::max(panel.rounding, terms.rounding);
        }
    }

    void scan_block(const Panel& panel, int64_t block, int64_t part, int64_t task) const {
        alignas(64) float dots[kMaxTileCodes * kMaxTileRows];
        uint32_t masks[kMaxTileCodes];
        float reach[kMaxTileRows], limits[kMaxTileRows];
        const int64_t first_row = block * scorer_.rows;
        const int rows = static_cast<int>(std::min<int64_t>(scorer_.rows, live_ - first_row));
        if (rows <= 0) return;
        for (int r = 0; r < scorer_.rows; ++r) {
            reach[r] =
                at<float>(plan_.own_at)[first_row + r] + panel.rounding * at<float>(plan_.norm_at)[first_row + r];
            limits[r] = limit(first_row + r).load(std::memory_order_relaxed);
        }
        const float* const blur = at<float>(plan_.blur_at) + first_row;
        const uint32_t live_rows = rows == 32 ? ~uint32_t{0} : (uint32_t{1} << rows) - 1;
        const char* const packed = at<char>(plan_.blocks_at) + block * plan_.block_bytes;
        for (int64_t c = 0; c < panel.codes; c += scorer_.codes) {
            const Sieve sieve = {panel.half_square + c, panel.norm + c, reach, limits};
            if (!scorer_.score(lines(task) + c * plan_.line_bytes, plan_.line_bytes, packed, plan_.padded_depth, sieve,
                               dots, masks)) {
                continue;
            }
            const int64_t codes = std::min<int64_t>(scorer_.codes, panel.codes - c);
            for (int64_t i = 0; i < codes; ++i) {
                if (sieve.half_square[i] == INFINITY) continue;
                for (uint32_t mask = masks[i] & live_rows; mask != 0; mask &= mask - 1) {
                    const int r = lowest_bit(mask);
                    const float room = reach[r] * sieve.norm[i];
                    const float lower = (sieve.half_square[i] - dots[i * scorer_.rows + r]) - room;
                    if (lower > limits[r]) continue;  // the limit has moved since the tile was sieved
                    const float upper = lower + vq::width(reach[r], sieve.half_square[i], sieve.norm[i]) + blur[r];
                    const bool bounded = std::abs(lower) < INFINITY && upper < INFINITY;
                    add(part, first_row + r, limits[r], task,
                        {bounded ? lower : -INFINITY, bounded ? upper : INFINITY,
                         static_cast<int32_t>(panel.first + c + i)});
                }
            }
        }
        for (int r = 0; r < rows; ++r) {
            std::atomic<float>& shared = limit(first_row + r);
            if (limits[r] < shared.load(std::memory_order_relaxed)) {
                shared.store(limits[r], std::memory_order_relaxed);
            }
        }
    }

    void add(int64_t part, int64_t row, float& limit, int64_t task, const Candidate& one) const {
        const auto exact = [&](int64_t code) {
            return scorer_.distance(z_row(row, task), code_row(code, task), z_.columns);
        };
        candidates(part, row, limit).add(one, exact, [&] { return square_of(z_row(row, task), z_.columns); });
    }

    void finish(int64_t row, int64_t task) const {
        float last = limit(row).load(std::memory_order_relaxed);
        int64_t left = 0;
        const Candidate* only = nullptr;
        for (int64_t part = 0; part < plan_.code_parts; ++part) {
            Candidates found = candidates(part, row, last);
            found.drop();
            left += found.count;
            if (found.count > 0) only = found.list;
        }
        if (k_ == 1 && distances_ == nullptr && left == 1 && only->lower > -INFINITY) {  // its distance is finite
            indices_[first_ + row] = only->code;
            return;
        }
        Nearest nearest(k_);
        const float* const z = left > 0 ? z_row(row, task) : nullptr;
        for (int64_t part = 0; left > 0 && part < plan_.code_parts; ++part) {
            const Candidates found = candidates(part, row, last);
            for (int32_t i = 0; i < found.count; ++i) {
                const int64_t code = found.list[i].code;
                nearest.show({scorer_.distance(z, code_row(code, task), z_.columns), code});
            }
        }
        write(first_ + row, nearest);
    }

    // What has no finite distance comes after all that has, by index.
    void write(int64_t row, const Nearest& nearest) const {
        int64_t next = 0;
        for (int place = 0; place < k_; ++place) {
            double distance = INFINITY;
            int64_t code;
            if (place < nearest.found()) {
                distance = nearest[place].distance;
                code = nearest[place].code;
            } else {
                const auto taken = [&] {
                    for (int i = 0; i < nearest.found(); ++i) {
                        if (nearest[i].code == next) return true;
                    }
                    return false;
                };
                while (taken()) ++next;
                code = next++;
            }
            indices_[row * k_ + place] = code;
            if (distances_ != nullptr) distances_[row * k_ + place] = static_cast<float>(distance);
        }
    }

    const Scorer& scorer_;
    const Plan& plan_;
    const Matrix &z_, &codebook_;
    const int k_;
    float* const distances_;
    int64_t* const indices_;
    char* const memory_;
    int64_t first_ = 0, live_ = 0;  // the chunk's first row, and how many of its rows there are
};

}  // namespace

std::vector<std::string> vq_scorer_names() {
    std::vector<std::string> names;
    for (const Scorer* scorer : scorers()) names.emplace_back(scorer->name);
    return names;
}

size_t vq_topk_scratch(int64_t rows, int64_t codes, int64_t depth, int k, int threads, const std::string& scorer) {
    return Plan(find_scorer(scorer, depth), rows, codes, depth, k, threads).bytes;
}

void vq_topk(const Matrix& z, const Matrix& codebook, int k, float* distances, int64_t* indices, void* scratch,
             int threads, const std::string& scorer) {
    if (z.rows == 0) return;
    const Scorer& chosen = find_scorer(scorer, z.columns);
    const Plan plan(chosen, z.rows, codebook.rows, z.columns, k, threads);
    Search(chosen, plan, z, codebook, k, distances, indices, scratch).run(threads);
}

}  // namespace fastclipgen::cpu
