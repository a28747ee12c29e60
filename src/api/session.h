// What minim_session stands for: what was read, what is to be read next, and what is being
// generated from it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/event_stream.h"
#include "api/model.h"
#include "api/sampling.h"
#include "base/energy_meter.h"
#include "base/file.h"
#include "base/progress.h"
#include "minim/minim.h"
#include "runtime/job.h"
#include "runtime/session_state.h"

namespace minim::api {

// Who is told that events wait.
class EventListener {
 public:
  // Waits for a call at hand.
  void set(void (*function)(void* user), void* user);
  void call();

 private:
  std::mutex mutex_;
  void (*function_)(void* user) = nullptr;
  void* user_ = nullptr;
};

// One thread at a time, except where it says otherwise. What throws leaves everything as it was.
class LiveSession {
 public:
  LiveSession(std::shared_ptr<OpenModel> model, const minim_session_options& options);
  ~LiveSession();
  LiveSession(const LiveSession&) = delete;
  LiveSession& operator=(const LiveSession&) = delete;

  OpenModel& model() const { return *model_; }

  // Tokens read and tokens to be read.
  int64_t length() const;
  // All below but next() and statistics() throw Failure(MINIM_BUSY) while it generates.
  std::vector<TokenId> tokens() const;
  // Throws kLimit where they do not fit the context.
  void append(std::span<const TokenId> tokens);
  void rewind(int64_t length);
  // Holds these from then on, and keeps what it has of their beginning.
  void replace(std::span<const TokenId> tokens);
  void read(const ProgressSink& progress);
  // What it computes with; null: the model alone.
  void set_adapters(std::shared_ptr<const AdapterSet> adapters);

  std::unique_ptr<LiveSession> clone() const;
  void save(const Path& path) const;
  std::vector<std::byte> save() const;
  void load(const Path& path);
  void load(std::span<const std::byte> bytes);

  void generate(const NamedSampling* sampling, const minim_generate_options& options);
  // Nothing where no event came in time, and where nothing is generated. Without a timeout it
  // waits.
  const OutgoingEvent* next(std::optional<std::chrono::milliseconds> timeout);
  // From any thread, as the next two.
  void cancel();
  EventListener& listener() { return *listener_; }
  minim_session_statistics statistics() const;

 private:
  LiveSession(const LiveSession& other, std::shared_ptr<SessionState> state);

  void require_idle() const;
  void rewind_to(int64_t length);
  void prepare_to_continue();
  void start(JobRequest request);
  void finish();
  void take_notices();
  void count(const GenerationEvent& event);
  void measure_energy();

  const std::shared_ptr<OpenModel> model_;
  minim_session_options options_;
  std::shared_ptr<SessionState> state_;
  std::vector<TokenId> pending_;  // to be read after what state_ holds
  std::shared_ptr<EventListener> listener_ = std::make_shared<EventListener>();
  bool told_fallbacks_ = false;
  bool answers_ = false;              // what comes next begins a text
  std::shared_ptr<Notices> notices_;  // while it generates

  // Of the generation at hand.
  std::optional<EventStream> events_;
  OutgoingEvent current_;
  std::vector<TokenId> before_;  // that state_ held
  std::vector<TokenId> prompt_;  // that the job reads first
  int64_t job_length_ = 0;       // as far as its events tell
  TokenId last_token_ = -1;

  Energy energy_start_;
  std::chrono::steady_clock::time_point energy_time_;  // of the last look

  mutable std::mutex mutex_;  // guards what follows, for other threads
  std::shared_ptr<Job> job_;
  GenerationStatistics last_statistics_;
  Energy energy_;  // since the generation began
};

}  // namespace minim::api

struct minim_session {
  std::unique_ptr<minim::api::LiveSession> live;
};
