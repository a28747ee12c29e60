// The schemas of the OpenAPI document against what the server does: whatever they say is wrong is
// refused by name, whatever they say is right is taken, no member is missing, and replies are as
// they say.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "serve/data/data_store.h"
#include "serve/openapi/document.h"
#include "serve/routes.h"
#include "serve/testing/json_schema.h"
#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

using testing::ClientResponse;
using testing::JsonSchema;

// A member of an object that stands somewhere in a request.
struct Place {
  OrderedJson::json_pointer object;
  std::string path;           // of the object, as refusals name it: "messages[0]"
  const OrderedJson* schema;  // of the object
};

class OpenApiTest : public testing::ServiceTest {
 protected:
  void SetUp() override {
    data_ = std::make_unique<DataStore>(folder_.path() / "data");
    options_.data = data_.get();
    start();
    client_.emplace(connect());
    document_ = OrderedJson::parse(client_->get("/openapi.json").body);
  }
  void TearDown() override { service_.reset(); }

  const OrderedJson& component(const char* name) {
    return document_["components"]["schemas"][name];
  }

  // All objects of a request whose members the schema names.
  void find_places(const OrderedJson& given, const OrderedJson& value,
                   const OrderedJson::json_pointer& at, const std::string& path,
                   std::vector<Place>& places) {
    const OrderedJson& schema = requests_.resolve(given);
    if (const auto options = schema.find("anyOf"); options != schema.end()) {
      for (const OrderedJson& option : *options) {
        if (!requests_.check(option, value).empty()) continue;
        return find_places(option, value, at, path, places);
      }
      return;
    }
    if (value.is_array() && schema.contains("items")) {
      for (size_t i = 0; i < value.size(); ++i) {
        find_places(schema["items"], value[i], at / i, path + "[" + std::to_string(i) + "]",
                    places);
      }
    }
    if (!value.is_object() || !schema.contains("properties")) return;
    places.push_back({at, path, &schema});
    for (const auto& [name, member] : value.items()) {
      find_places(schema["properties"][name], member, at / name,
                  path.empty() ? name : path + "." + name, places);
    }
  }

  static bool names(const Route& route, const ClientResponse& response, const std::string& path) {
    const OrderedJson body = OrderedJson::parse(response.body, nullptr, false);
    if (route.dialect == Dialect::kOpenAi) {
      const OrderedJson& param = body["error"]["param"];
      return param.is_string() && param.get<std::string>().starts_with(path);
    }
    return response.body.find("'" + path) != std::string::npos;
  }

  // One after the other, without waiting in between.
  std::vector<ClientResponse> post_all(const char* path, const std::vector<OrderedJson>& bodies) {
    std::string requests;
    for (const OrderedJson& body : bodies) {
      requests += testing::HttpClient::format("POST", path, body.dump());
    }
    client_->send(requests);
    std::vector<ClientResponse> responses;
    for (size_t i = 0; i < bodies.size(); ++i) responses.push_back(client_->read_response());
    return responses;
  }
  void try_example(const Route& route, const OrderedJson& schema, const OrderedJson& example);
  void try_wrong(const Route& route, const OrderedJson& root, const OrderedJson& example,
                 const Place& place, const std::string& name);
  void try_right(const Route& route, const OrderedJson& root, const OrderedJson& example,
                 const Place& place, const std::string& name);
  void try_unknown(const Route& route, const OrderedJson& example, const Place& place);
  void check_reply(const Route& route, const ClientResponse& response);

  OrderedJson document_;
  JsonSchema requests_{document_, /*strict=*/false};
  JsonSchema replies_{document_, /*strict=*/true};
  std::optional<testing::HttpClient> client_;
  std::unique_ptr<DataStore> data_;
  // By the schema of an object: the members that some handler asked for.
  std::map<const OrderedJson*, std::set<std::string>> known_;
  std::set<std::tuple<const OrderedJson*, std::string, std::string>> tried_;
  // Values that a schema says are right: whether the server took them in some example.
  std::map<std::string, bool> right_;
};

std::vector<OrderedJson> wrong_values() {
  std::vector<OrderedJson> values = {true, false, "wrong", "", -1e18, 1e18, 0.12345, {{}}};
  values.push_back(OrderedJson::parse(R"([[[]]])"));
  values.push_back(OrderedJson::parse(R"({"wrong": 1})"));
  values.push_back(std::string(5000, 'q'));
  return values;
}

// Values at the bounds of a schema, and each that it names.
void add_right_values(const JsonSchema& schemas, const OrderedJson& given,
                      std::vector<OrderedJson>& values) {
  const OrderedJson& schema = schemas.resolve(given);
  for (const char* name : {"minimum", "maximum", "const"}) {
    if (schema.contains(name)) values.push_back(schema[name]);
  }
  for (const OrderedJson& each : schema.value("enum", OrderedJson::array())) {
    values.push_back(each);
  }
  for (const OrderedJson& each : schema.value("anyOf", OrderedJson::array())) {
    add_right_values(schemas, each, values);
  }
}

void OpenApiTest::try_wrong(const Route& route, const OrderedJson& root, const OrderedJson& example,
                            const Place& place, const std::string& name) {
  const std::string path = place.path.empty() ? name : place.path + "." + name;
  std::vector<OrderedJson> wrong;
  for (const OrderedJson& value : wrong_values()) {
    OrderedJson request = example;
    request[place.object][name] = value;
    if (!requests_.check(root, request).empty()) wrong.push_back(std::move(request));
  }
  const std::vector<ClientResponse> responses = post_all(route.path, wrong);
  for (size_t i = 0; i < wrong.size(); ++i) {
    const OrderedJson value = wrong[i][place.object][name];
    const ClientResponse& response = responses[i];
    EXPECT_TRUE(response.status == 400 && names(route, response, path))
        << route.path << " " << path << " = " << value.dump().substr(0, 100) << ": "
        << response.status << " " << response.body;
  }
}

void OpenApiTest::try_right(const Route& route, const OrderedJson& root, const OrderedJson& example,
                            const Place& place, const std::string& name) {
  const std::string path = place.path.empty() ? name : place.path + "." + name;
  std::vector<OrderedJson> values;
  add_right_values(requests_, (*place.schema)["properties"][name], values);
  std::vector<OrderedJson> right;
  std::vector<bool*> taken;
  for (const OrderedJson& value : values) {
    OrderedJson request = example;
    request[place.object][name] = value;
    bool& known = right_[std::string(route.path) + " " + path + " = " + value.dump()];
    if (known || !requests_.check(root, request).empty()) continue;
    known = example[place.object].value(name, OrderedJson()) == value;
    if (known) continue;
    right.push_back(std::move(request));
    taken.push_back(&known);
  }
  const std::vector<ClientResponse> responses = post_all(route.path, right);
  for (size_t i = 0; i < right.size(); ++i) *taken[i] = responses[i].status == 200;
}

// The refusal of a member that nobody knows tells those that are known.
void OpenApiTest::try_unknown(const Route& route, const OrderedJson& example, const Place& place) {
  OrderedJson request = example;
  request[place.object]["unheard_of"] = 1;
  const ClientResponse response = client_->post(route.path, request.dump());
  const std::string path = place.path.empty() ? "unheard_of" : place.path + ".unheard_of";
  EXPECT_TRUE(response.status == 400 && names(route, response, path))
      << route.path << " " << path << ": " << response.status << " " << response.body;
  constexpr std::string_view kKnown = "known are ";
  const size_t begin = response.body.find(kKnown);
  std::set<std::string>& known = known_[place.schema];
  if (begin == std::string::npos) return;  // none are
  const std::string list = response.body.substr(begin + kKnown.size()) + ",";
  for (size_t at = 0; at < list.size();) {
    const size_t end = list.find_first_of("\",", at);
    known.insert(list.substr(at, end - at));
    if (list[end] == '"') break;
    at = end + 2;
  }
}

void OpenApiTest::check_reply(const Route& route, const ClientResponse& response) {
  ASSERT_EQ(response.status, 200) << route.path << response.body;
  std::string wrong;
  const std::string type = response.header("content-type");
  if (route.body.reply != nullptr && type == "application/json") {
    wrong = replies_.check(component(route.body.reply), OrderedJson::parse(response.body));
    EXPECT_EQ(wrong, "") << route.path << response.body;
    return;
  }
  ASSERT_NE(route.body.event, nullptr) << type;
  size_t events = 0;
  for (size_t begin = 0; begin < response.body.size();) {
    const size_t end = std::min(response.body.find('\n', begin), response.body.size());
    std::string line = response.body.substr(begin, end - begin);
    begin = end + 1;
    if (line.starts_with("data: ")) line.erase(0, 6);
    if (!line.starts_with("{")) continue;
    ++events;
    wrong = replies_.check(component(route.body.event), OrderedJson::parse(line));
    EXPECT_EQ(wrong, "") << route.path << line;
  }
  EXPECT_GT(events, 0u);
}

void OpenApiTest::try_example(const Route& route, const OrderedJson& schema,
                              const OrderedJson& example) {
  EXPECT_EQ(requests_.check(schema, example), "") << route.path << example;
  check_reply(route, client_->post(route.path, example.dump()));
  std::vector<Place> places;
  find_places(schema, example, OrderedJson::json_pointer(), "", places);
  for (const Place& place : places) {
    try_unknown(route, example, place);
    for (const auto& [name, member] : (*place.schema)["properties"].items()) {
      if (tried_.insert({place.schema, name, place.path}).second) {
        try_wrong(route, schema, example, place, name);
      }
      try_right(route, schema, example, place, name);
    }
    for (const OrderedJson& required : place.schema->value("required", OrderedJson::array())) {
      OrderedJson request = example;
      const auto name = required.get<std::string>();
      request[place.object].erase(name);
      if (requests_.check(schema, request).empty()) continue;
      const ClientResponse response = client_->post(route.path, request.dump());
      // Without its type, an item may be another that lacks something else.
      const std::string path = place.path.empty() ? name : place.path;
      EXPECT_TRUE(response.status == 400 && names(route, response, path))
          << route.path << " without " << name << " in " << path << ": " << response.status
          << response.body;
    }
  }
}

TEST_F(OpenApiTest, SchemasOfRequestsSayWhatHandlersDo) {
  for (const Route& route : routes()) {
    if (route.body.request == nullptr || std::string_view(route.path) == "/v1/files") continue;
    const OrderedJson& schema = component(route.body.request);
    ASSERT_FALSE(schema.value("examples", OrderedJson::array()).empty()) << route.path;
    for (OrderedJson example : schema["examples"]) {
      if (example.contains("input_file_id")) {
        data_->add_file({.id = "file-of-requests", .purpose = "batch", .bytes = 2}, "{}");
        example["input_file_id"] = "file-of-requests";
      }
      try_example(route, schema, example);
    }
  }
  for (const auto& [schema, known] : known_) {
    std::set<std::string> told;
    for (const auto& [name, member] : (*schema)["properties"].items()) told.insert(name);
    EXPECT_EQ(told, known) << *schema;
  }
  right_.erase("/v1/rerank method = \"yes-no\"");  // for models that know these words
  for (const auto& [what, taken] : right_) EXPECT_TRUE(taken) << what;
}

TEST_F(OpenApiTest, ReferencesLeadToSchemasAndAllAreUsed) {
  const OrderedJson document = openapi_document();
  std::set<std::string> used;
  const auto collect = [&](const auto& self, const OrderedJson& value) -> void {
    if (value.is_object() && value.contains("$ref")) used.insert(value["$ref"]);
    if (!value.is_structured()) return;
    for (const OrderedJson& each : value) self(self, each);
  };
  collect(collect, document);
  std::set<std::string> there;
  for (const auto& [name, schema] : document["components"]["schemas"].items()) {
    there.insert("#/components/schemas/" + name);
  }
  EXPECT_EQ(used, there);
}

// Those that have no body, one after the other over things that are there.
TEST_F(OpenApiTest, RepliesAreAsTheirSchemasSay) {
  const std::string boundary = "xx";
  const std::string form =
      "--xx\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--xx\r\n"
      "content-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{}\r\n--xx--\r\n";
  client_->send(
      "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
      "boundary=xx\r\nContent-Length: " +
      std::to_string(form.size()) + "\r\n\r\n" + form);
  const ClientResponse uploaded = client_->read_response();
  check_reply(*find_route("POST", "/v1/files").route, uploaded);
  const std::string file = OrderedJson::parse(uploaded.body)["id"];
  const OrderedJson batch =
      ask("/v1/batches",
          {{"input_file_id", file}, {"endpoint", "/v1/embeddings"}, {"completion_window", "24h"}});
  const OrderedJson response =
      ask("/v1/responses",
          {{"input", "a"}, {"model", "tiny"}, {"max_output_tokens", 400}, {"background", true}});
  const std::map<std::string, std::string> ids = {
      {"model", "tiny"}, {"response", response["id"]}, {"file", file}, {"batch", batch["id"]}};
  ASSERT_TRUE(wait_until([&] {
    return OrderedJson::parse(client_->get("/v1/batches/" + ids.at("batch")).body)["status"] ==
           "failed";
  }));
  std::vector<const Route*> in_order;
  for (const Route& route : routes()) {
    if (std::string_view(route.method) != "DELETE") in_order.push_back(&route);
  }
  for (const Route& route : routes()) {
    if (std::string_view(route.method) == "DELETE") in_order.push_back(&route);
  }
  for (const Route* route : in_order) {
    if (route->body.request != nullptr || route->body.reply == nullptr) continue;
    std::string path = route->path;
    if (path == "/v1/batches/{batch}/cancel") continue;  // it has ended
    if (const size_t brace = path.find('{'); brace != std::string::npos) {
      const size_t end = path.find('}');
      path.replace(brace, end + 1 - brace, ids.at(path.substr(brace + 1, end - brace - 1)));
    }
    check_reply(*route, client_->request(route->method, path));
  }
}

TEST_F(OpenApiTest, RefusalsAreAsTheirSchemasSay) {
  for (const auto& [path, schema] :
       std::map<std::string, const char*>{{"/v1/chat/completions", "Error"},
                                          {"/v1/messages", "MessageError"},
                                          {"/api/chat", "OllamaError"}}) {
    const ClientResponse response = client_->post(path, "{}");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(replies_.check(component(schema), OrderedJson::parse(response.body)), "");
  }
}

}  // namespace
}  // namespace minim::serve
