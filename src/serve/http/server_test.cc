#include "serve/http/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "serve/testing/http_client.h"

namespace minim::serve {
namespace {

using namespace std::chrono_literals;
using testing::ClientResponse;
using testing::HttpClient;

// Holds what ended, so that a test can wait for it.
class Ended {
 public:
  void add(const HttpOutcome& outcome) {
    const std::lock_guard lock(mutex_);
    outcomes_.push_back(outcome);
    changed_.notify_all();
  }
  std::vector<HttpOutcome> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 60s, [&] { return outcomes_.size() >= count; });
    return outcomes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<HttpOutcome> outcomes_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServer& start(HttpHandler handler) {
    server_.emplace(
        options_, std::move(handler),
        HttpHooks{.refuse =
                      [](int status, const std::string& message) {
                        return HttpResponse{.status = status, .body = message};
                      },
                  .ended = [this](const HttpRequest&,
                                  const HttpOutcome& outcome) { ended_.add(outcome); }});
    server_->start();
    return *server_;
  }
  HttpClient connect() { return HttpClient(server_->port()); }

  // A client has its answer a little before the server waits for its next request.
  void wait_for_waiting(int64_t count) {
    const auto until = std::chrono::steady_clock::now() + 60s;
    while (server_->counts().waiting != count && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(1ms);
    }
    EXPECT_EQ(server_->counts().waiting, count);
  }

  static void echo(const std::shared_ptr<Exchange>& exchange) {
    const HttpRequest& request = exchange->request();
    exchange->respond(
        {.body = request.method + " " + request.path + " " + request.query + " " + request.body});
  }

  HttpServerOptions options_;
  Ended ended_;
  std::optional<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersRequestAfterRequestOnOneConnection) {
  start(echo);
  HttpClient client = connect();
  ClientResponse response = client.get("/a%20b?c=d%26");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "GET /a b c=d%26 ");
  EXPECT_TRUE(response.header("x-request-id").starts_with("req_"));
  const std::string first_id = response.header("x-request-id");
  response = client.post("/p", "body");
  EXPECT_EQ(response.body, "POST /p  body");
  EXPECT_NE(response.header("x-request-id"), first_id);
  EXPECT_EQ(client.request("HEAD", "/").body, "");
  EXPECT_EQ(client.get("/again").body, "GET /again  ");
  EXPECT_EQ(server_->counts().accepted, 1);
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  start(echo);
  HttpClient client = connect();
  client.send(HttpClient::format("GET", "/1") + "\r\n" + HttpClient::format("POST", "/2", "two") +
              HttpClient::format("GET", "/3"));
  EXPECT_EQ(client.read_response().body, "GET /1  ");
  EXPECT_EQ(client.read_response().body, "POST /2  two");
  EXPECT_EQ(client.read_response().body, "GET /3  ");
}

TEST_F(HttpServerTest, ReadsChunkedBodies) {
  start(echo);
  HttpClient client = connect();
  client.send(
      "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n"
      "0\r\n\r\n");
  EXPECT_EQ(client.read_response().body, "POST /c  abcde");
  client.send("POST /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 100);
  client.send("ok");
  EXPECT_EQ(client.read_response().body, "POST /c  ok");
}

TEST_F(HttpServerTest, RefusesWhatIsNoRequest) {
  options_.header_bytes_max = 1000;
  options_.body_bytes_max = 1000;
  start(echo);
  const struct {
    std::string bytes;
    int status;
  } cases[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/7.9\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(2000, 'x') + "\r\n\r\n", 431},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" +
           std::string(2000, 'x'),
       413},
  };
  for (const auto& each : cases) {
    HttpClient client = connect();
    client.send(each.bytes);
    const ClientResponse response = client.read_response();
    EXPECT_EQ(response.status, each.status) << each.bytes.substr(0, 120);
    EXPECT_FALSE(response.body.empty());
    EXPECT_TRUE(client.closed());
  }
}

TEST_F(HttpServerTest, StreamsWhileTheResponseIsMade) {
  std::mutex mutex;
  std::shared_ptr<Exchange> held;
  std::condition_variable came;
  start([&](std::shared_ptr<Exchange> exchange) {
    exchange->begin({.content_type = "text/event-stream", .body = "one"});
    const std::lock_guard lock(mutex);
    held = std::move(exchange);
    came.notify_all();
  });
  HttpClient client = connect();
  client.send(HttpClient::format("GET", "/"));
  ClientResponse head;
  ASSERT_TRUE(client.read_head(head));
  EXPECT_EQ(head.header("content-type"), "text/event-stream");
  EXPECT_EQ(client.read_chunk(), "one");  // before there is more
  std::unique_lock lock(mutex);
  came.wait(lock, [&] { return held != nullptr; });
  held->post([held] {
    held->write("two");
    held->finish();
  });
  EXPECT_EQ(client.read_chunk(), "two");
  EXPECT_EQ(client.read_chunk(), "");
  held = nullptr;
}

TEST_F(HttpServerTest, StreamsToOldClientsUntilTheConnectionEnds) {
  start([](const std::shared_ptr<Exchange>& exchange) {
    exchange->begin({.body = "a"});
    exchange->write("b");
    exchange->finish();
  });
  HttpClient client = connect();
  client.send("GET / HTTP/1.0\r\n\r\n");
  const ClientResponse response = client.read_response();
  EXPECT_EQ(response.body, "ab");
  EXPECT_EQ(response.header("transfer-encoding"), "");
}

TEST_F(HttpServerTest, TellsWhenAClientLeaves) {
  std::atomic<int> left{0};
  start([&](const std::shared_ptr<Exchange>& exchange) {
    exchange->on_closed([&] { ++left; });
    exchange->begin({.body = "and then"});
  });
  for (int i = 0; i < 20; ++i) {
    HttpClient client = connect();
    client.send(HttpClient::format("GET", "/"));
    ClientResponse head;
    ASSERT_TRUE(client.read_head(head));
  }
  const auto outcomes = ended_.wait_for(20);
  ASSERT_EQ(outcomes.size(), 20u);
  for (const HttpOutcome& outcome : outcomes) EXPECT_FALSE(outcome.complete);
  EXPECT_EQ(left, 20);
}

// Whoever writes sees what the client has not taken, and is called when it has.
TEST_F(HttpServerTest, HoldsBackWhoeverWritesFasterThanTheClientReads) {
  constexpr size_t kBytes = size_t{8} << 20;
  constexpr size_t kWaiting = size_t{64} << 10;
  std::atomic<size_t> waiting_most{0};
  std::atomic<int> drained{0};
  start([&](const std::shared_ptr<Exchange>& exchange) {
    auto sent = std::make_shared<size_t>(0);
    const auto pump = [&, exchange, sent] {
      while (exchange->open() && exchange->waiting_bytes() < kWaiting && *sent < kBytes) {
        exchange->write(std::string(4096, 'x'));
        *sent += 4096;
        waiting_most = std::max(waiting_most.load(), exchange->waiting_bytes());
      }
      if (*sent == kBytes) exchange->finish();
    };
    exchange->begin({});
    exchange->on_drained([&, pump] {
      ++drained;
      pump();
    });
    pump();
  });
  HttpClient client = connect();
  client.send(HttpClient::format("GET", "/"));
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(client.read_response().body.size(), kBytes);
  EXPECT_LT(waiting_most, kWaiting + 8192);
  EXPECT_GT(drained, 10);
}

TEST_F(HttpServerTest, ClosesWhatIsTooSlow) {
  options_.idle = 50ms;
  options_.header = 50ms;
  options_.body = 50ms;
  options_.write = 50ms;
  start([](const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.body = std::string(size_t{32} << 20, 'x')});
  });
  HttpClient idle = connect();
  EXPECT_TRUE(idle.closed());
  HttpClient slow_header = connect();
  slow_header.send("GET / HT");
  EXPECT_EQ(slow_header.read_response().status, 408);
  HttpClient slow_body = connect();
  slow_body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(slow_body.read_response().status, 408);
  HttpClient slow_reader = connect();
  slow_reader.send(HttpClient::format("GET", "/"));
  EXPECT_FALSE(ended_.wait_for(3).back().complete);
}

TEST_F(HttpServerTest, BoundsConnectionsAndTheBytesOfAllBodies) {
  options_.connections_max = 3;
  options_.bodies_bytes_max = 1000;
  start(echo);
  HttpClient first = connect();
  HttpClient second = connect();
  first.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n" + std::string(800, 'x'));
  EXPECT_EQ(second.get("/").status, 200);
  std::this_thread::sleep_for(50ms);
  const std::string body(900, 'y');
  EXPECT_EQ(second.post("/", body).status, 503);
  first.send(std::string(100, 'x'));
  EXPECT_EQ(first.read_response().status, 200);
  EXPECT_EQ(first.post("/", body).status, 200);
  HttpClient third = connect();
  EXPECT_EQ(third.get("/").status, 200);
  EXPECT_LE(server_->counts().connections, 3);
}

TEST_F(HttpServerTest, TheOldestThatWaitsMakesRoom) {
  options_.connections_max = 3;
  std::promise<std::shared_ptr<Exchange>> held;
  start([&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->request().path == "/held") return held.set_value(exchange);
    exchange->respond({.body = "here"});
  });
  HttpClient busy = connect();
  busy.send(HttpClient::format("GET", "/held"));
  const auto exchange = held.get_future().get();
  HttpClient slow = connect();
  slow.send("GET / HT");
  HttpClient idle = connect();
  EXPECT_EQ(idle.get("/").body, "here");
  wait_for_waiting(2);
  HttpClient next = connect();
  EXPECT_EQ(next.get("/").body, "here");
  EXPECT_TRUE(slow.closed());
  wait_for_waiting(2);
  HttpClient last = connect();
  EXPECT_EQ(last.get("/").body, "here");
  EXPECT_TRUE(idle.closed());
  EXPECT_EQ(server_->counts().refused, 2);
  exchange->post([exchange] { exchange->respond({.body = "at last"}); });
  EXPECT_EQ(busy.read_response().body, "at last");
}

TEST_F(HttpServerTest, ClosesANewConnectionWhereAllAreAnswered) {
  options_.connections_max = 1;
  std::promise<std::shared_ptr<Exchange>> held;
  start([&](const std::shared_ptr<Exchange>& exchange) { held.set_value(exchange); });
  HttpClient busy = connect();
  busy.send(HttpClient::format("GET", "/"));
  const auto exchange = held.get_future().get();
  EXPECT_TRUE(connect().closed());
  exchange->post([exchange] { exchange->respond({.body = "at last"}); });
  EXPECT_EQ(busy.read_response().body, "at last");
}

TEST_F(HttpServerTest, AnErrorOfTheHandlerIsAResponse) {
  start([](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->request().path == "/late") {
      exchange->begin({.body = "x"});
    } else if (exchange->request().path == "/posted") {
      exchange->post([] { throw Error(ErrorCode::kLimit, "posted"); });
      return;
    }
    throw Error(ErrorCode::kLimit, "at once");
  });
  HttpClient client = connect();
  EXPECT_EQ(client.get("/").status, 500);
  EXPECT_EQ(client.get("/posted").body, "posted");
  client.send(HttpClient::format("GET", "/late"));
  const ClientResponse late = client.read_response();
  EXPECT_FALSE(late.complete);
}

TEST_F(HttpServerTest, CallsAfterATime) {
  start([](const std::shared_ptr<Exchange>& exchange) {
    exchange->call_after(1ms, [exchange] { exchange->respond({.body = "late"}); });
  });
  HttpClient client = connect();
  EXPECT_EQ(client.get("/").body, "late");
  EXPECT_EQ(client.get("/").body, "late");
}

TEST_F(HttpServerTest, DrainsBeforeItEnds) {
  std::atomic<bool> asked{false};
  std::atomic<bool> go{false};
  start([&](const std::shared_ptr<Exchange>& exchange) {
    asked = true;
    exchange->begin({.body = "begun"});
    exchange->call_after(100ms, [&, exchange] {
      while (!go) std::this_thread::yield();
      exchange->write(" and finished");
      exchange->finish();
    });
  });
  HttpClient idle = connect();
  HttpClient busy = connect();
  busy.send(HttpClient::format("GET", "/"));
  while (!asked) std::this_thread::yield();
  std::thread drain([&] { EXPECT_TRUE(server_->drain(60s)); });
  EXPECT_TRUE(idle.closed());
  go = true;
  EXPECT_EQ(busy.read_response().body, "begun and finished");
  EXPECT_TRUE(busy.closed());
  busy.close();
  drain.join();
  EXPECT_FALSE(connect().get("/").complete);
}

TEST_F(HttpServerTest, StopsWithOpenStreams) {
  start([](const std::shared_ptr<Exchange>& exchange) { exchange->begin({.body = "x"}); });
  HttpClient client = connect();
  client.send(HttpClient::format("GET", "/"));
  ClientResponse head;
  ASSERT_TRUE(client.read_head(head));
  EXPECT_FALSE(server_->drain(10ms));
  server_->stop();
  EXPECT_FALSE(ended_.wait_for(1).front().complete);
}

// As many as the machine lets one process have, up to a thousand: two descriptors each here.
TEST_F(HttpServerTest, HoldsManyIdleConnections) {
  start(echo);
  std::vector<HttpClient> idle;
  for (int i = 0; i < 400; ++i) {
    idle.push_back(connect());
    if (i % 2 == 0) idle.back().send("GET / HT");
  }
  EXPECT_EQ(connect().get("/").status, 200);
  EXPECT_GE(server_->counts().connections, 400);
  idle.clear();
  for (int i = 0; i < 6000 && server_->counts().connections > 0; ++i) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(server_->counts().connections, 0);
}

TEST(HttpServerOptions, RefusesAddressesAndCertificatesThatMakeNoSense) {
  const HttpHandler handler = [](const std::shared_ptr<Exchange>&) {};
  EXPECT_THROW(HttpServer({.host = "nowhere"}, handler, {}), Error);
  EXPECT_THROW(HttpServer({.certificate = "x"}, handler, {}), Error);
  EXPECT_THROW(HttpServer({.certificate = "/x", .private_key = "/y"}, handler, {}), Error);
  HttpServer first({}, handler, {});
  EXPECT_GT(first.port(), 0);
}

}  // namespace
}  // namespace minim::serve
