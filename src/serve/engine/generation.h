// The texts that a request asks for, generated at once: from the scheduler's events to whoever
// writes the response, no faster than the client takes it, and no longer than it is there.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/job.h"
#include "serve/engine/energy_shares.h"
#include "serve/engine/served_model.h"
#include "serve/http/exchange.h"
#include "serve/request/refusal.h"

namespace minim::serve {

// How many texts may be generated or wait for it, in all.
class Admission {
 public:
  explicit Admission(int64_t texts_max) : texts_max_(texts_max) {}

  // Throws Refusal(503) where that would be too many.
  void take(int64_t texts);
  void give_back(int64_t texts) { texts_.fetch_sub(texts); }
  int64_t texts() const { return texts_.load(); }
  int64_t texts_max() const { return texts_max_; }

 private:
  const int64_t texts_max_;
  std::atomic<int64_t> texts_{0};
};

struct TextRequest {
  std::vector<TokenId> prompt;
  TextGeneratorOptions options;
};

// How the texts of a request ended.
struct GenerationEnd {
  int64_t tokens = 0;     // that were generated, of texts that were broken off too
  bool complete = false;  // all texts are whole
  int status = 0;         // of the refusal that ended them; 0: none, the client left
};

struct GenerationRequest {
  std::shared_ptr<ServedModel> model;
  std::vector<TextRequest> texts;
  // Prompts that begin alike share what was computed only within one space.
  uint64_t prefix_space = 0;
  int priority = 0;  // higher ones first
  std::chrono::milliseconds deadline{600'000};
  EnergyShares* energy = nullptr;  // null: not told
  // Called for each text at its end, also where it is broken off: kCancelled.
  std::function<void(StopReason, const GenerationStatistics&)> count;
  // Called for each token but the first of a text: the seconds since the one before it was told.
  std::function<void(double seconds)> count_gap;
  // Called once, when nothing more is generated.
  std::function<void(const GenerationEnd&)> ended;
};

// The response. Called in the exchange's strand.
class GenerationReply {
 public:
  virtual ~GenerationReply() = default;
  virtual void token(size_t text, const GenerationEvent& event) = 0;
  // The text is complete.
  virtual void done(size_t text, const GenerationEvent& event,
                    const GenerationStatistics& statistics) = 0;
  // All are; or failed(), after which nothing follows.
  virtual void finish() = 0;
  virtual void fail(const Refusal& refusal) = 0;
};

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  // Lives until the response is finished or the client leaves. Throws Refusal where it is not
  // admitted, and for what the scheduler refuses. `admission` must outlive it. In the strand.
  static void start(const std::shared_ptr<Exchange>& exchange, Admission& admission,
                    GenerationRequest request, std::unique_ptr<GenerationReply> reply);
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

 private:
  Generation(std::shared_ptr<Exchange> exchange, Admission& admission, GenerationRequest request,
             std::unique_ptr<GenerationReply> reply);

  void submit();
  void pump();
  bool pull(size_t text);
  void count_token(size_t text);
  void finish_text(size_t text, const GenerationEvent& event);
  void count(size_t text, StopReason reason, const GenerationStatistics& statistics);
  void fail(const Refusal& refusal);
  void end();

  const std::shared_ptr<Exchange> exchange_;
  Admission& admission_;
  GenerationRequest request_;
  const int64_t admitted_;
  std::unique_ptr<GenerationReply> reply_;
  std::vector<Job> jobs_;                    // empty once it has ended
  std::vector<EnergyShares::Share> energy_;  // of each
  std::vector<bool> counted_;                // of each
  size_t done_ = 0;
  std::vector<std::chrono::steady_clock::time_point> told_;  // the last token of each
  GenerationEnd end_;
};

// What an Error of the engine means to a client.
Refusal refusal_of(const Error& error, const std::string& param = {});

}  // namespace minim::serve
