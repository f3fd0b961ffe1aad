#include "cpu/parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace fastclipgen::cpu {
namespace {

constexpr int kMaxThreads = 256;

class Pool {
  public:
    void run(int64_t parts, int helpers, const std::function<void(int64_t)>& work) {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            while (static_cast<int>(threads_.size()) < helpers) {
                threads_.emplace_back([this, number = static_cast<int>(threads_.size())] { wait(number); });
            }
            work_ = &work;
            parts_ = parts;
            next_.store(0, std::memory_order_relaxed);
            helpers_ = helpers;
            busy_ = helpers;
            ++round_;
        }
        wake_.notify_all();
        take_parts();
        std::unique_lock<std::mutex> lock(mutex_);
        done_.wait(lock, [this] { return busy_ == 0; });
    }

  private:
    void take_parts() {
        for (int64_t part = next_.fetch_add(1); part < parts_; part = next_.fetch_add(1)) (*work_)(part);
    }

    [[noreturn]] void wait(int number) {
        uint64_t seen = 0;
        for (;;) {
            {
                std::unique_lock<std::mutex> lock(mutex_);
                wake_.wait(lock, [&] { return round_ != seen && number < helpers_; });
                seen = round_;
            }
            take_parts();
            const std::lock_guard<std::mutex> lock(mutex_);
            if (--busy_ == 0) done_.notify_one();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_, done_;
    std::vector<std::thread> threads_;
    const std::function<void(int64_t)>* work_ = nullptr;
    int64_t parts_ = 0;
    std::atomic<int64_t> next_{0};
    int helpers_ = 0, busy_ = 0;
    uint64_t round_ = 0;
};

// Never destroyed: its threads wait for ever, and the process's end takes them along.
Pool* pool = nullptr;
std::mutex one_caller;

void after_fork_in_child() {
    // the threads of the pool did not come along; a lock that another thread held would stay locked
    pool = nullptr;
    new (&one_caller) std::mutex;
}

thread_local bool inside = false;

}  // namespace

void parallel_for(int64_t parts, int threads, const std::function<void(int64_t)>& work) {
    const auto alone = [&] {
        for (int64_t part = 0; part < parts; ++part) work(part);
    };
    threads = static_cast<int>(std::min<int64_t>({parts, threads, kMaxThreads}));
    if (threads <= 1 || inside) return alone();
    const std::unique_lock<std::mutex> lock(one_caller, std::try_to_lock);
    if (!lock.owns_lock()) return alone();
    if (pool == nullptr) {
        pool = new Pool;
#if defined(__unix__) || defined(__APPLE__)
        static const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);
        static_cast<void>(registered);
#endif
    }
    const std::function<void(int64_t)> marked = [&work](int64_t part) {
        inside = true;
        work(part);
        inside = false;
    };
    pool->run(parts, threads - 1, marked);
}

}  // namespace fastclipgen::cpu
