// The lines of /stats.
#include <fmt/core.h>

#include "cli/chat/chat.h"
#include "cli/terminal.h"

namespace minim::cli {
namespace {

double rate(double count, double seconds) { return seconds > 0 ? count / seconds : 0; }

std::string energy_text(const v1::SessionStatistics& statistics) {
  const char* source = nullptr;
  switch (statistics.energy_source) {
    case MINIM_ENERGY_RAPL: source = "measured by the processor"; break;
    case MINIM_ENERGY_BATTERY: source = "measured by the battery"; break;
    case MINIM_ENERGY_ESTIMATED: source = "estimated from processor time"; break;
    default: return "not known on this machine";
  }
  const int64_t tokens = statistics.prompt_tokens + statistics.generated_tokens;
  if (tokens == 0) return "no tokens yet";
  return fmt::format("{:.3g} J/token, {}", statistics.joules / static_cast<double>(tokens), source);
}

}  // namespace

std::string chat_statistics_text(const ChatSession& session, const v1::Model& model,
                                 const Conversation& conversation) {
  const v1::SessionStatistics last = session.statistics();
  const v1::ModelStatistics all = model.statistics();
  const int64_t reused = session.reused_tokens();
  const int64_t read = last.prompt_tokens - last.reused_tokens;
  std::string text = fmt::format(
      "last answer    {} tokens, {:.1f} tokens/s, the first after {:.2f} s\n",
      last.generated_tokens, rate(static_cast<double>(last.decode_steps), last.decode_seconds),
      last.first_token_seconds);
  text += fmt::format("its prompt     {} tokens: {} read in {:.2f} s ({:.0f}/s), {} reused\n",
                      read + reused, read, last.prompt_seconds,
                      rate(static_cast<double>(read), last.prompt_seconds), reused);
  text += fmt::format("context        {} of {} tokens ({:.0f} %)\n", session.length(),
                      session.context_tokens(),
                      100 * rate(static_cast<double>(session.length()),
                                 static_cast<double>(session.context_tokens())));
  text += fmt::format("cache          {}\n", format_bytes(static_cast<double>(all.cache_bytes)));
  text += fmt::format("energy         {}\n", energy_text(last));
  const size_t exchanges = (conversation.turns.size() + 1) / 2;
  text +=
      fmt::format("in all         {} prompt and {} generated tokens, {} exchange{}",
                  all.prompt_tokens, all.generated_tokens, exchanges, exchanges == 1 ? "" : "s");
  if (conversation.forgotten > 0) {
    text += fmt::format(" (the model no longer sees {})", conversation.forgotten / 2);
  }
  return text;
}

}  // namespace minim::cli
