// The codes that may still be among the k nearest of one row, in a short list that is cleaned whenever it is full.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

namespace fastclipgen::cpu {

constexpr int kMaxNearest = 16;

struct Candidate {
    float lower, upper;  // of its score; see vq_bound.h
    int32_t code;
};

// By distance, then by index. Not-a-number never gets in.
struct Neighbour {
    double distance;
    int64_t code;
    bool operator<(const Neighbour& other) const {
        return distance < other.distance || (distance == other.distance && code < other.code);
    }
};

// The k smallest of what it is shown.
class Nearest {
  public:
    explicit Nearest(int k) : k_(k) {}

    void show(Neighbour one) {
        if (!(one.distance < INFINITY) || (found_ == k_ && !(one < best_[found_ - 1]))) return;
        int place = found_ < k_ ? found_++ : k_ - 1;
        for (; place > 0 && one < best_[place - 1]; --place) best_[place] = best_[place - 1];
        best_[place] = one;
    }

    int found() const { return found_; }
    const Neighbour& operator[](int place) const { return best_[place]; }

  private:
    int k_, found_ = 0;
    std::array<Neighbour, kMaxNearest> best_;
};

// The list of one row, in memory that belongs to the caller. `limit`: at least k codes are known to score no more, so
// what lies above it is out. All of it in units of the score, (|z - e|^2 - |z|^2) / 2.
struct Candidates {
    Candidate* list;
    float* uppers;  // the k smallest of all that was added, ascending
    int32_t& count;
    float& limit;
    int k;

    static int capacity(int k) { return 2 * k + 8; }

    // `exact(code)` gives the squared distance, `square()` that of z; both in double, and asked only when bounds do not
    // tell enough codes apart.
    template <typename Exact, typename Square>
    void add(const Candidate& one, const Exact& exact, const Square& square) {
        if (count == capacity(k)) clean(exact, square);
        list[count++] = one;
        if (!(one.upper < uppers[k - 1])) return;
        int place = k - 1;
        for (; place > 0 && one.upper < uppers[place - 1]; --place) uppers[place] = uppers[place - 1];
        uppers[place] = one.upper;
        limit = std::min(limit, uppers[k - 1]);
    }

    template <typename Exact, typename Square>
    void clean(const Exact& exact, const Square& square) {
        drop();
        if (count > capacity(k) * 3 / 4) settle(exact, square());
    }

    void drop() {
        int kept = 0;
        for (int i = 0; i < count; ++i) {
            list[kept] = list[i];
            kept += !(list[i].lower > limit);  // no branch: half of them go, in no order
        }
        count = kept;
    }

    // Keeps the k nearest by their distances.
    template <typename Exact>
    void settle(const Exact& exact, double square) {
        Nearest nearest(k);
        for (int i = 0; i < count; ++i) nearest.show({exact(list[i].code), list[i].code});
        count = nearest.found();
        for (int i = 0; i < count; ++i) {
            const double score = 0.5 * (nearest[i].distance - square);
            // far more than the sums in double and the conversion to float take away
            const double slack = 0x1p-36 * (nearest[i].distance + square) + 0x1p-22 * std::abs(score) + 0x1p-120;
            const bool bounded = std::abs(score) < 1e36;
            list[i] = {bounded ? static_cast<float>(score - slack) : -INFINITY,
                       bounded ? static_cast<float>(score + slack) : INFINITY, static_cast<int32_t>(nearest[i].code)};
        }
        if (count == k) limit = std::min(limit, list[k - 1].upper);
    }
};

}  // namespace fastclipgen::cpu
