// Ranks that are processes of MPI. Sums of gradients are added up by a thread that waits for the
// network, so that the others compute meanwhile; every other call goes through that thread too,
// because MPI is then only ever called by one (MPI_THREAD_SERIALIZED).
#include <fmt/core.h>
#include <mpi.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/error.h"
#include "parallel/connect.h"
#include "parallel/version.h"

namespace minim::parallel {
namespace {

// Counts of MPI are ints, and what is too large for its internal buffers goes in pieces.
constexpr size_t kPieceValues = size_t{1} << 22;
// Between looks at whether the network is done: a thread that spins takes a core from those that
// compute.
constexpr auto kPause = std::chrono::microseconds(50);

void check(int status, const char* what) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(status, text, &length);
  throw Error(ErrorCode::kIo, fmt::format("mpi: {} failed: {}", what,
                                          std::string_view(text, static_cast<size_t>(length))));
}

// Set when this process gives up while sums are under way, which the others may never finish.
std::atomic<bool> giving_up = false;

void finish(MPI_Request& request, const char* what) {
  int done = 0;
  while (!giving_up) {
    check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), what);
    if (done != 0) return;
    std::this_thread::sleep_for(kPause);
  }
}

template <typename T>
void sum_all(std::span<T> values, MPI_Datatype type) {
  for (size_t at = 0; at < values.size(); at += kPieceValues) {
    const auto piece = values.subspan(at, std::min(kPieceValues, values.size() - at));
    MPI_Request request;
    check(MPI_Iallreduce(MPI_IN_PLACE, piece.data(), static_cast<int>(piece.size()), type, MPI_SUM,
                         MPI_COMM_WORLD, &request),
          "a sum over the ranks");
    finish(request, "a sum over the ranks");
  }
}

// One thread that does one thing after the other.
class Worker {
 public:
  Worker() : thread_([this] { work(); }) {}
  ~Worker() {
    {
      const std::scoped_lock lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void add(std::function<void()> job) {
    {
      const std::scoped_lock lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    changed_.notify_all();
  }
  // Returns when all jobs are done; throws what one of them has thrown.
  void finish() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return jobs_.empty() || failure_ != nullptr; });
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return ending_ || (!jobs_.empty() && failure_ == nullptr); });
      if (ending_) return;
      const std::function<void()> job = jobs_.front();
      lock.unlock();
      std::exception_ptr failure;
      try {
        job();
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      jobs_.pop_front();
      failure_ = failure;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::exception_ptr failure_;
  bool ending_ = false;
  std::thread thread_;
};

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator() {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
    if (provided < MPI_THREAD_SERIALIZED) {
      throw Error(ErrorCode::kUnsupported, "mpi: this MPI can only be called by the main thread");
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  }
  ~MpiCommunicator() override {
    if (std::uncaught_exceptions() == exceptions_) {
      MPI_Finalize();
    } else {
      giving_up = true;  // without a farewell: mpirun then ends the others, who wait for this one
    }
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string name() const override {
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    MPI_Get_library_version(text, &length);
    const std::string_view all(text, static_cast<size_t>(length));
    return std::string(all.substr(0, all.find(',')));
  }

  void start_sum(std::span<float> values) override {
    worker_.add([values] { sum_all(values, MPI_FLOAT); });
  }
  void finish_sums() override { worker_.finish(); }
  void sum(std::span<double> values) override {
    worker_.add([values] { sum_all(values, MPI_DOUBLE); });
    worker_.finish();
  }
  void broadcast(std::span<std::byte> bytes) override {
    worker_.add([bytes] {
      for (size_t at = 0; at < bytes.size(); at += kPieceValues) {
        const auto piece = bytes.subspan(at, std::min(kPieceValues, bytes.size() - at));
        MPI_Request request;
        check(MPI_Ibcast(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, 0, MPI_COMM_WORLD,
                         &request),
              "a message of the first rank");
        finish(request, "a message of the first rank");
      }
    });
    worker_.finish();
  }

 private:
  int exceptions_ = std::uncaught_exceptions();
  int rank_ = 0;
  int size_ = 1;
  Worker worker_;  // ends before MPI does
};

}  // namespace
}  // namespace minim::parallel

extern "C" {
__attribute__((visibility("default"))) extern const minim::parallel::MpiPlugin minim_mpi_plugin;
const minim::parallel::MpiPlugin minim_mpi_plugin = {
    minim::parallel::build_version,
    []() -> minim::parallel::Communicator* { return new minim::parallel::MpiCommunicator(); }};
}
