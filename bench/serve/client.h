// The clients: streams that run side by side, and what each of them saw.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace minim::bench {

struct Stream {
  double first_ms = 0;          // from the request to the first token
  double last_ms = 0;           // to the last
  std::vector<double> gaps_ms;  // between two events with text
  int64_t tokens = 0;           // that the server says it generated
  std::string problem;          // why the stream is none; empty: it is whole
};

// All requests (bodies of POST /v1/completions with "stream": true) at once, a connection and a
// thread each; returns when all are answered.
std::vector<Stream> run_streams(uint16_t port, const std::vector<std::string>& bodies);

struct Answer {
  double ms = 0;         // from the request to the end of the response
  double engine_ms = 0;  // of these, what the server says it computed
};

// The same request `count` times, one after the other, over one connection as long as the server
// keeps it. Throws kIo where an
// answer is not of status 200.
std::vector<Answer> ask_again(uint16_t port, const std::string& method, const std::string& path,
                              const std::string& body, int count);

}  // namespace minim::bench
