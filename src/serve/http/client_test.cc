#include "serve/http/client.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "serve/http/server.h"
#include "serve/testing/self_signed.h"
#include "tests/support/test_data.h"

namespace minim::serve {
namespace {

using namespace std::chrono_literals;

TEST(HttpUrl, IsReadOrRefused) {
  const HttpUrl plain = parse_http_url("http://localhost");
  EXPECT_EQ(plain.text(), "http://localhost:80/");
  EXPECT_EQ(parse_http_url("https://[::1]:99/a?b").text(), "https://[::1]:99/a?b");
  EXPECT_EQ(parse_http_url("https://example.org/v1").port, 443);
  for (const char* wrong : {"", "localhost:80", "http://", "http://:80", "http://a:0", "http://a:b",
                            "http://a:99999", "http://a b/", "http://user@a/", "ftp://a/"}) {
    EXPECT_THROW(parse_http_url(wrong), Error) << wrong;
  }
}

class HttpClientTest : public ::testing::Test {
 protected:
  void start(HttpServerOptions options = {}) {
    server_ = std::make_unique<HttpServer>(
        options,
        [](const std::shared_ptr<Exchange>& exchange) {
          const HttpRequest& request = exchange->request();
          if (request.path == "/never") return exchange->on_closed([exchange] {});
          exchange->begin({.content_type = "text/plain", .body = request.method + " "});
          exchange->write(request.body);
          exchange->finish();
        },
        HttpHooks{.refuse = [](int status, const std::string& message) {
          return HttpResponse{.status = status, .body = message};
        }});
    server_->start();
  }
  HttpClientRequest request(const char* scheme, const std::string& path) const {
    return {.url = parse_http_url(std::string(scheme) +
                                  "://127.0.0.1:" + std::to_string(server_->port()) + path)};
  }

  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpClientTest, AsksAndIsAnswered) {
  start();
  HttpClientRequest asked = request("http", "/");
  asked.method = "POST";
  asked.body = std::string(200'000, 'x');
  const HttpResponse response = fetch_http(asked);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/plain");
  EXPECT_EQ(response.body, "POST " + asked.body);
  asked.response_bytes_max = 1000;
  EXPECT_THROW(fetch_http(asked), Error);
}

TEST_F(HttpClientTest, SaysWhyThereIsNoAnswer) {
  start();
  HttpClientRequest asked = request("http", "/never");
  asked.timeout = 50ms;
  EXPECT_THROW(fetch_http(asked), Error);
  asked = request("http", "/");
  asked.headers = {{"a", "b\r\nc: d"}};
  EXPECT_THROW(fetch_http(asked), Error);
  asked.headers.clear();
  asked.url.host = "no.such.host.invalid";
  EXPECT_THROW(fetch_http(asked), Error);
  asked = request("http", "/");
  server_.reset();
  try {
    fetch_http(asked);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_NE(std::string(error.what()).find("cannot connect"), std::string::npos);
  }
}

// A certificate that nobody but the test trusts.
TEST_F(HttpClientTest, SpeaksTlsWithThoseWhomItTrusts) {
  const minim::testing::TemporaryFolder folder;
  const testing::SelfSigned files = testing::make_self_signed(folder.path());
  start({.certificate = files.certificate, .private_key = files.private_key});
  ASSERT_TRUE(server_->tls());
  HttpClientRequest asked = request("https", "/");
  asked.authorities = files.certificate;
  asked.method = "POST";
  asked.body = std::string(200'000, 'x');
  EXPECT_EQ(fetch_http(asked).body, "POST " + asked.body);
  // Of nobody known, of another name, not in TLS.
  asked.authorities.clear();
  EXPECT_THROW(fetch_http(asked), Error);
  asked.authorities = files.certificate;
  asked.url.host = "localhost";
  EXPECT_THROW(fetch_http(asked), Error);
  asked = request("http", "/");
  asked.timeout = 2000ms;
  EXPECT_THROW(fetch_http(asked), Error);
}

}  // namespace
}  // namespace minim::serve
