// Sentences that an engine has for all of its sessions that generate.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace minim::api {

// What one session was told and has not looked at yet.
class Notices {
 public:
  void push(std::string sentence) {
    const std::lock_guard lock(mutex_);
    sentences_.push_back(std::move(sentence));
  }
  std::optional<std::string> pop() {
    const std::lock_guard lock(mutex_);
    if (sentences_.empty()) return {};
    std::string sentence = std::move(sentences_.front());
    sentences_.pop_front();
    return sentence;
  }

 private:
  std::mutex mutex_;
  std::deque<std::string> sentences_;
};

class NoticeBoard {
 public:
  // As long as somebody holds it.
  void add(std::weak_ptr<Notices> reader) {
    const std::lock_guard lock(mutex_);
    readers_.push_back(std::move(reader));
  }
  void post(const std::string& sentence) {
    const std::lock_guard lock(mutex_);
    std::erase_if(readers_, [](const auto& reader) { return reader.expired(); });
    for (const auto& weak : readers_) {
      if (const auto reader = weak.lock()) reader->push(sentence);
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::weak_ptr<Notices>> readers_;
};

}  // namespace minim::api
