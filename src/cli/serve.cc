// `minim serve`: models behind the APIs that other programs speak.
#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "cli/adapter_options.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/model_catalog.h"
#include "cli/terminal.h"
#include "serve/api_keys.h"
#include "serve/data/data_store.h"
#include "serve/service.h"

namespace minim::cli {
namespace {

struct Options {
  EngineOptions engine;
  std::vector<std::string> models;
  std::vector<std::string> adapters;  // [MODEL:]NAME=FILE[:WEIGHT]
  serve::ModelRegistryOptions registry;
  serve::ServiceOptions service;
  std::string keys;
  std::string new_key;
  std::string scopes = "inference";
  std::string access_log;
  std::string collector;  // of traces
  std::string data;
  double request_seconds = 600;
  double drain_seconds = 30;
  bool open = false;
};

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// What requests call it: the name before '=', the name that `minim models` lists, or the file's.
serve::ModelSource source_of(const std::string& given) {
  const size_t equals = given.find('=');
  if (equals != std::string::npos && given.find('/') > equals) {
    return {.id = given.substr(0, equals), .path = resolve_model(given.substr(equals + 1))};
  }
  const Path path = resolve_model(given);
  if (path != Path(given)) return {.id = given, .path = path};
  Path name = path.has_filename() ? path.filename() : path.parent_path().filename();
  const std::string extension = name.extension().string();
  if (extension == ".gguf" || extension == ".GGUF" || extension == ".bin") name.replace_extension();
  return {.id = name.string(), .path = path};
}

// Without a MODEL: the default model, or else the one that is built in, and all others that `minim
// models` lists.
std::vector<serve::ModelSource> sources_at_hand() {
  std::vector<serve::ModelSource> sources;
  std::set<std::string> ids;
  const auto add = [&](const serve::ModelSource& source) {
    if (ids.insert(source.id).second) sources.push_back(source);
  };
  auto entries = list_models();
  std::stable_partition(entries.begin(), entries.end(),
                        [](const CatalogEntry& entry) { return entry.is_default; });
  if (!entries.empty() && !entries.front().is_default) {
    std::stable_partition(entries.begin(), entries.end(),
                          [](const CatalogEntry& entry) { return entry.is_builtin; });
  }
  for (const CatalogEntry& entry : entries) {
    if (entry.problem.empty()) add({.id = entry.name, .path = entry.path});
  }
  if (sources.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "serve: there is no model at hand; name a file, or set MINIM_MODEL to one");
  }
  return sources;
}

std::vector<serve::ModelSource> choose_sources(const Options& options) {
  if (options.models.empty()) return sources_at_hand();
  std::vector<serve::ModelSource> sources;
  for (const std::string& given : options.models) sources.push_back(source_of(given));
  return sources;
}

void add_adapter(const std::string& given, std::vector<serve::ModelSource>& sources) {
  const auto wrong = [&](const std::string& why) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("serve: --lora '{}' {}; it is [MODEL:]NAME=FILE[:WEIGHT]", given, why));
  };
  const size_t equals = given.find('=');
  if (equals == std::string::npos) wrong("has no '='");
  std::string name = given.substr(0, equals);
  const size_t colon = name.rfind(':');
  serve::ModelSource* source = &sources.front();
  if (colon != std::string::npos) {
    const auto found = std::find_if(
        sources.begin(), sources.end(),
        [&](const serve::ModelSource& each) { return each.id == name.substr(0, colon); });
    if (found == sources.end()) wrong("names no model that is served");
    source = &*found;
    name.erase(0, colon + 1);
  } else if (sources.size() > 1) {
    wrong("does not say which of the models it is for");
  }
  if (name.empty()) wrong("has no name");
  const AdapterChoice choice = parse_adapter_choice(given.substr(equals + 1));
  source->adapters[name].push_back({choice.path, choice.weight});
}

// Those of the command line, with their adapters.
std::vector<serve::ModelSource> sources_with_adapters(const Options& options) {
  std::vector<serve::ModelSource> sources = choose_sources(options);
  for (const std::string& given : options.adapters) add_adapter(given, sources);
  return sources;
}

int make_key(const Options& options) {
  if (options.keys.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "serve: --new-key needs --keys FILE to keep its hash");
  }
  const std::string key = serve::make_api_key();
  serve::append_api_key(options.keys, key, options.new_key, options.scopes, options.service.limit);
  fmt::print("{}\n", key);
  return kExitOk;
}

// Whether SIGHUP has come: the keys are to be read again.
class HangUpGuard {
 public:
  HangUpGuard() {
    came_ = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { came_ = 1; };
    ::sigaction(SIGHUP, &action, &before_);
  }
  ~HangUpGuard() { ::sigaction(SIGHUP, &before_, nullptr); }
  HangUpGuard(const HangUpGuard&) = delete;
  HangUpGuard& operator=(const HangUpGuard&) = delete;
  static bool take() {
    const bool came = came_ != 0;
    came_ = 0;
    return came;
  }

 private:
  static volatile sig_atomic_t came_;
  struct sigaction before_ {};
};
volatile sig_atomic_t HangUpGuard::came_ = 0;

// A file that makes no sense leaves the keys of before.
void reload_keys(const Options& options, serve::Service& server) {
  if (options.keys.empty()) return;
  try {
    server.set_keys(serve::ApiKeys(options.keys));
    fmt::print(stderr, "minim: the keys of '{}' were read again\n", options.keys);
  } catch (const Error& error) {
    fmt::print(stderr, "minim: warning: the keys stay as they were: {}\n", error.what());
  }
}

// As many descriptors as the system lets this program have.
size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  constexpr size_t kOwn = 64;  // of this program besides connections
  return std::max<size_t>(limit.rlim_cur, 2 * kOwn) - kOwn;
}

// Lines to a file or to standard error.
class AccessLog {
 public:
  explicit AccessLog(const std::string& path)
      : file_(path == "-" ? stderr : std::fopen(path.c_str(), "ae")) {
    if (file_ == nullptr) {
      throw Error(ErrorCode::kIo, fmt::format("serve: cannot write the access log '{}'", path));
    }
  }
  ~AccessLog() {
    if (file_ != stderr) std::fclose(file_);
  }
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;
  void write(std::string_view line) {
    const std::lock_guard lock(mutex_);
    fmt::print(file_, "{}\n", line);
    std::fflush(file_);
  }

 private:
  std::mutex mutex_;
  std::FILE* file_;
};

void print_examples(const serve::ServedModel& model, const std::string& base, bool needs_key) {
  const char* key = needs_key ? " -H \"Authorization: Bearer $MINIM_API_KEY\"" : "";
  const bool chat = model.has_chat();
  const std::string request =
      chat ? fmt::format(R"({{"model": "{}", "messages": [{{"role": "user", "content": )"
                         R"("Tell me a story."}}], "max_tokens": 100}})",
                         model.id())
           : fmt::format(R"({{"model": "{}", "prompt": "Once upon a time", "max_tokens": 100}})",
                         model.id());
  fmt::print("\ncurl {}/{}completions -H \"Content-Type: application/json\"{} \\\n  -d '{}'\n",
             base, chat ? "chat/" : "", key, request);
  fmt::print(
      "\n# pip install openai\nimport os\nfrom openai import OpenAI\n"
      "client = OpenAI(base_url=\"{}\", api_key={})\n",
      base, needs_key ? "os.environ[\"MINIM_API_KEY\"]" : "\"none\"");
  if (chat) {
    fmt::print(
        "answer = client.chat.completions.create(\n    model=\"{}\", max_tokens=100,\n"
        "    messages=[{{\"role\": \"user\", \"content\": \"Tell me a story.\"}}])\n"
        "print(answer.choices[0].message.content)\n",
        model.id());
  } else {
    fmt::print(
        "answer = client.completions.create(\n    model=\"{}\", prompt=\"Once upon a time\", "
        "max_tokens=100)\nprint(answer.choices[0].text)\n",
        model.id());
  }
  std::fflush(stdout);
}

std::string base_address(const Options& options, uint16_t port) {
  const std::string& host = options.service.http.host;
  const bool any = host == "0.0.0.0" || host == "::";
  const std::string name = any                                   ? "localhost"
                           : host.find(':') == std::string::npos ? host
                                                                 : "[" + host + "]";
  return fmt::format("{}://{}:{}/v1", options.service.http.certificate.empty() ? "http" : "https",
                     name, port);
}

void check_safety(const Options& options) {
  if (is_loopback(options.service.http.host) || !options.keys.empty() || options.open) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("serve: on {} others could ask it too; give --keys FILE (--new-key NAME "
                          "makes one), or --open if anybody may",
                          options.service.http.host));
}

int serve_models(Options& options) {
  if (!options.new_key.empty()) return make_key(options);
  check_safety(options);
  serve::ServiceOptions& service = options.service;
  if (!options.keys.empty()) service.keys = serve::ApiKeys(options.keys);
  const auto limit = std::chrono::duration<double>(options.request_seconds);
  service.limits.deadline = std::chrono::duration_cast<std::chrono::milliseconds>(limit);
  service.http.connections_max = std::min(service.http.connections_max, raise_descriptor_limit());
  std::unique_ptr<AccessLog> log;
  if (!options.access_log.empty()) {
    log = std::make_unique<AccessLog>(options.access_log);
    service.access_log = [&log](std::string_view line) { log->write(line); };
  }
  service.traces =
      serve::trace_options(options.collector, [](const char* name) { return std::getenv(name); });
  if (service.traces) {
    service.traces->warn = [](const std::string& line) {
      fmt::print(stderr, "minim: warning: {}\n", line);
    };
  }
  const Engine engine(options.engine);
  options.registry.model.precision = engine.precision();
  options.registry.model.batch_tokens =
      tuned_batch_tokens(options.registry.model.batch_tokens, engine.context().log);
  serve::ModelRegistry models(engine.context(), sources_with_adapters(options), options.registry);
  const InterruptGuard interrupt;
  const HangUpGuard hang_up;
  std::shared_ptr<serve::ServedModel> first;
  {
    ProgressDisplay display(engine.quiet());
    first = models.load("", display.sink());
  }
  std::unique_ptr<serve::DataStore> data;
  if (!options.data.empty()) data = std::make_unique<serve::DataStore>(options.data);
  service.data = data.get();
  serve::Service server(models, service);
  const std::string base = base_address(options, server.port());
  if (!engine.quiet()) {
    fmt::print("serving '{}' at {}: texts of {} tokens, {} at once; Ctrl-C ends it\n", first->id(),
               base, first->context_tokens(), options.registry.model.sequences_max);
    print_examples(*first, base, !service.keys.empty());
  }
  first.reset();
  while (!InterruptGuard::interrupted()) {
    if (HangUpGuard::take()) reload_keys(options, server);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  if (!engine.quiet()) fmt::print(stderr, "minim: finishing what was begun; again ends it now\n");
  const auto patience = std::chrono::duration<double>(options.drain_seconds);
  const bool drained =
      server.drain(std::chrono::duration_cast<std::chrono::milliseconds>(patience));
  server.stop();
  if (!drained) fmt::print(stderr, "minim: warning: some requests were not finished\n");
  return kExitOk;
}

void add_model_flags(CLI::App& app, Options& options) {
  serve::ServedModelOptions& model = options.registry.model;
  app.add_option("-c,--context", model.context_tokens,
                 "Tokens of a text in all (default: the model's, at most 8192)")
      ->check(CLI::PositiveNumber);
  app.add_option("--parallel", model.sequences_max, "Texts that are computed together")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--queue", options.service.texts_max,
                 "Texts that are computed or wait; more are refused with 503")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  model.batch_tokens = 0;
  app.add_option("--batch", model.batch_tokens,
                 "Tokens computed at once (default: what `minim tune` found, or 512)")
      ->check(CLI::Range(64, 1 << 20));
  app.add_option("--cache-bytes", model.cache_bytes_max,
                 "Memory of keys and values (default: for all texts that are computed together, at "
                 "most a quarter of what is free)");
  add_cache_type_option(app, model.cache_type);
  app.add_option("--weight-bytes", options.registry.weight_bytes_max,
                 "Memory of all loaded models' weights; past it, the one that was not needed for "
                 "longest goes");
  app.add_flag("--generic-template", model.generic_template,
               "For models without a chat template: lines that begin with User: and Assistant:");
}

void add_network_flags(CLI::App& app, Options& options) {
  serve::HttpServerOptions& http = options.service.http;
  http.port = 8080;
  app.add_option("--host", http.host, "Address to listen on")->capture_default_str();
  app.add_option("--port", http.port, "Port; 0: any that is free")->capture_default_str();
  app.add_option("--http-threads", http.threads, "Threads for connections")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--keys", options.keys,
                 "File of those who may ask; without: everybody. Read again on SIGHUP");
  app.add_option("--new-key", options.new_key,
                 "Make a key of that name, add its hash to the file of --keys, print it, and end");
  app.add_option("--scopes", options.scopes,
                 "With --new-key: what it allows, of inference,metrics,admin")
      ->capture_default_str();
  app.add_option("--requests-per-minute", options.service.limit.requests,
                 "Of each key without a limit of its own, or, without keys, of all together; with "
                 "--new-key: of that one (default: no limit)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  app.add_option("--tokens-per-minute", options.service.limit.tokens,
                 "Likewise, of prompts and answers")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  app.add_flag("--open", options.open,
               "Listen beyond this machine without keys: anybody who reaches it may ask");
  app.add_option("--tls-certificate", http.certificate, "PEM file; with --tls-key, HTTPS only");
  app.add_option("--tls-key", http.private_key, "PEM file of the certificate's private key");
  app.add_option("--allow-origin", options.service.origins,
                 "Origin of web pages that may ask, such as https://example.org; *: all");
  app.add_option("--allow-host", options.service.hosts,
                 "Name of this machine that requests may use besides localhost");
  app.add_option(
      "--data", options.data,
      "Folder for files and batches, which is made where it is not there; without, there "
      "are none");
  app.add_option(
      "--otlp", options.collector,
      "Address of an OpenTelemetry collector, such as http://localhost:4318, that traces are "
      "sent to, by OTLP over HTTP (default: $OTEL_EXPORTER_OTLP_ENDPOINT)");
  app.add_option(
      "--access-log", options.access_log,
      "File for a line of JSON for each request, without its content; -: standard error");
  app.add_option("--request-seconds", options.request_seconds, "Longest time of a request")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--drain-seconds", options.drain_seconds,
                 "After Ctrl-C or SIGTERM: time for requests that were begun")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

}  // namespace

Action add_serve(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->models,
                 "Models, as ID=MODEL or MODEL: the first is loaded at once, the others when they "
                 "are asked for (default: all that minim models lists)");
  app.add_option("--lora", options->adapters,
                 "A LoRA or DoRA adapter (GGUF, or a folder of PEFT): requests for MODEL:NAME use "
                 "it, beside the same weights; MODEL may be left out where there is one; may be "
                 "given again, also for a name that has one")
      ->type_name("[MODEL:]NAME=FILE[:WEIGHT]")
      ->allow_extra_args(false);
  add_model_flags(app, *options);
  add_network_flags(app, *options);
  add_precision_option(app, options->engine);
  add_engine_options(app, options->engine);
  app.footer(
      "Examples:\n"
      "  minim serve model.gguf\n"
      "  minim serve fast=small.gguf good=large.gguf --weight-bytes 8000000000\n"
      "  minim serve nano=model.gguf --lora topic=topic.gguf   # the models nano and nano:topic\n"
      "  minim serve --keys keys --new-key ann && minim serve model.gguf --keys keys --host "
      "0.0.0.0");
  return [options] { return serve_models(*options); };
}

}  // namespace minim::cli
