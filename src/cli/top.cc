// `minim top`: a running server, watched from a terminal.
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "cli/terminal_text.h"
#include "cli/top/server_view.h"
#include "serve/http/client.h"

namespace minim::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kTimeoutSeconds = 10;

struct Options {
  std::string url = "http://127.0.0.1:8080";
  std::string key;
  std::string authorities;
  double interval = 2;
  bool once = false;
};

serve::HttpUrl address_of(const Options& options) {
  serve::HttpUrl url = serve::parse_http_url(options.url);
  // The base that API clients are given does as well.
  if (url.path.ends_with('/')) url.path.pop_back();
  if (url.path == "/v1") url.path.clear();
  return url;
}

serve::HttpResponse ask(const Options& options, const serve::HttpUrl& server, const char* path) {
  serve::HttpClientRequest request{.url = server, .authorities = options.authorities};
  request.url.path += path;
  request.timeout = std::chrono::milliseconds(static_cast<int64_t>(kTimeoutSeconds * 1e3));
  if (!options.key.empty()) request.headers = {{"Authorization", "Bearer " + options.key}};
  return serve::fetch_http(request);
}

[[noreturn]] void refuse_status(const serve::HttpUrl& server, const serve::HttpResponse& response) {
  const std::string address = server.text();
  if (response.status == 401) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("top: the server at {} wants a key that it knows: give it by --key or "
                            "in $MINIM_API_KEY",
                            address));
  }
  if (response.status == 403) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("top: the server at {} does not show its numbers for this key, or "
                            "under this name; a key needs the scope 'metrics'",
                            address));
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("top: what is at {} is no server of minim: /metrics answers with status "
                          "{}",
                          address, response.status));
}

ServerReading read_server(const Options& options, const serve::HttpUrl& server) {
  const serve::HttpResponse response = ask(options, server, "/metrics");
  if (response.status != 200) refuse_status(server, response);
  ServerReading reading{.time = Clock::now()};
  try {
    reading.metrics = MetricsText(response.body);
  } catch (const Error&) {
    reading.metrics = {};
  }
  if (!reading.metrics.has("minim_texts_active")) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("top: what is at {} is no server of minim: its /metrics has none of "
                            "minim's numbers",
                            server.text()));
  }
  return reading;
}

// The terminal's other screen, without a cursor, as long as it lives.
class Screen {
 public:
  Screen() { fmt::print("\033[?1049h\033[?25l"); }
  ~Screen() {
    fmt::print("\033[?25h\033[?1049l");
    std::fflush(stdout);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  static void draw(const std::vector<std::string>& lines) {
    winsize size{};
    const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0;
    const size_t rows = known ? size.ws_row : 24;
    const size_t columns = known ? size.ws_col : 80;
    std::string text = "\033[H";
    for (size_t i = 0; i < lines.size() && i < rows; ++i) {
      text += (i > 0 ? "\r\n" : "") + cut(lines[i], columns) + "\033[K";
    }
    fmt::print("{}\033[J", text);
    std::fflush(stdout);
  }

 private:
  static std::string cut(const std::string& line, size_t columns) {
    size_t characters = 0;
    for (size_t i = 0; i < line.size(); ++i) {
      if ((static_cast<unsigned char>(line[i]) & 0xc0) == 0x80) continue;
      if (characters++ == columns) return line.substr(0, i);
    }
    return line;
  }
};

// False where Ctrl-C came.
bool wait_for(double seconds) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    if (InterruptGuard::interrupted()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return !InterruptGuard::interrupted();
}

void watch(const Options& options, const serve::HttpUrl& server, ServerView& view) {
  const Screen screen;
  std::string problem;
  do {
    std::vector<std::string> lines = view.lines();
    lines.emplace_back();
    lines.push_back(problem.empty() ? "Ctrl-C ends it" : terminal_text(problem));
    Screen::draw(lines);
    if (!wait_for(options.interval)) return;
    try {
      view.add(read_server(options, server));
      problem.clear();
    } catch (const Error& error) {
      problem = fmt::format("{}; trying again", error.what());  // it may be started anew
    }
  } while (!InterruptGuard::interrupted());
}

int show_server(Options& options) {
  if (options.key.empty()) {
    if (const char* key = std::getenv("MINIM_API_KEY")) options.key = key;
  }
  const serve::HttpUrl server = address_of(options);
  const InterruptGuard interrupt;
  ServerView view(server.text());
  view.add(read_server(options, server));
  if (stdout_is_terminal() && !options.once) {
    watch(options, server, view);
    return kExitOk;
  }
  do {
    if (!wait_for(options.interval)) break;
    view.add(read_server(options, server));
    for (const std::string& line : view.lines()) fmt::print("{}\n", line);
    if (!options.once) fmt::print("\n");
    std::fflush(stdout);
  } while (!options.once);
  return kExitOk;
}

}  // namespace

Action add_top(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("--url", options->url, "Where the server is")->capture_default_str();
  app.add_option("--key", options->key, "A key with the scope 'metrics' (default: $MINIM_API_KEY)");
  app.add_option(
      "--tls-ca", options->authorities,
      "PEM file of who may have signed the server's certificate (default: the system's)");
  app.add_option("--interval", options->interval, "Seconds between two looks")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_flag("--once", options->once,
               "Look twice, print what is known as plain lines, and end; without a terminal, lines "
               "are printed again and again");
  app.footer(
      "Examples:\n"
      "  minim top\n"
      "  minim top --url https://models.example.org --key \"$KEY\" --once");
  return [options] { return show_server(*options); };
}

}  // namespace minim::cli
