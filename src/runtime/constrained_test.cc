// Jobs with a constraint: what they say, how forced tokens are computed, and how they end.
#include <gtest/gtest.h>

#include <fmt/core.h>

#include <regex>

#include "base/error.h"
#include "runtime/testing/scheduler_rig.h"
#include "text/schema/constraint_factory.h"

namespace minim {
namespace {

using testing::alone;
using testing::request_of;
using testing::run_all;
using testing::run_one;
using testing::Said;
using testing::small_steps;
using testing::some_tokens;

const char* const kPerson = R"({"type": "object", "properties": {
    "full_name": {"type": "string", "maxLength": 4}, "kind": {"enum": ["person"]},
    "year_of_birth": {"type": "integer", "minimum": 1900, "maximum": 2026}},
    "required": ["full_name", "kind", "year_of_birth"], "additionalProperties": false})";

class ConstrainedTest : public testing::SchedulerTest {
 protected:
  std::shared_ptr<const Constraint> constraint(ConstraintKind kind, const std::string& text) {
    return std::make_shared<Constraint>(constraints_.make({kind, text, JsonSpacing::kSpaced}));
  }
  JobRequest request(ConstraintKind kind, const std::string& text, uint64_t seed = 1,
                     int64_t tokens_max = 100) {
    JobRequest request = request_of(some_tokens(10 + seed, seed), tokens_max, seed);
    request.options.generator.sampler.logprobs = -1;
    request.options.generator.sampler.ignore_end = false;
    request.options.generator.constraint = constraint(kind, text);
    return request;
  }
  // A scheduler's answer, which must be the one that a generator gives token by token.
  Said say(const JobRequest& request, GenerationStatistics* statistics = nullptr) {
    Scheduler scheduler = make();
    Job job = scheduler.submit(request);
    const Said said = run_all(scheduler, {&job, 1}).front();
    if (statistics != nullptr) *statistics = job.statistics();
    EXPECT_EQ(said, alone(*context_, tiny_, request));
    return said;
  }

  ConstraintFactory constraints_{tiny_.tokenizer};
};

TEST_F(ConstrainedTest, WhatIsSaidIsValidWhateverTheWeights) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    JobRequest request = this->request(ConstraintKind::kRegex, "(ab|cd){2,6}[0-9]{3}x?", seed);
    request.options.generator.sampler.temperature = 2.0f;
    const Said said = say(request);
    EXPECT_TRUE(std::regex_match(said.text, std::regex("(ab|cd){2,6}[0-9]{3}x?"))) << said.text;
    EXPECT_EQ(said.reason, StopReason::kEndOfText);
    EXPECT_TRUE(said.complete);
    const Said person = say(this->request(ConstraintKind::kSchema, kPerson, seed));
    EXPECT_TRUE(
        std::regex_match(person.text, std::regex(R"(\{"full_name": ".*", "kind": "person", )"
                                                 R"("year_of_birth": (19|20)[0-9]{2}\})")))
        << person.text;
  }
}

TEST_F(ConstrainedTest, ForcedTokensAreComputedTogetherAndChangeNothing) {
  JobRequest request = this->request(ConstraintKind::kSchema, kPerson);
  GenerationStatistics fast, slow;
  const Said said = say(request, &fast);
  request.options.generator.fast_forward = false;
  EXPECT_EQ(say(request, &slow), said);
  EXPECT_GT(fast.forced_tokens, 20) << said.text;
  EXPECT_EQ(fast.forced_tokens, slow.forced_tokens);
  EXPECT_EQ(fast.generated_tokens, static_cast<int64_t>(said.tokens.size()));
  EXPECT_EQ(slow.decode_steps, slow.generated_tokens - 1);
  EXPECT_EQ(slow.decode_tokens, slow.decode_steps);
  EXPECT_LT(fast.decode_steps, slow.decode_steps - fast.forced_tokens / 2);
  EXPECT_GT(fast.decode_tokens, slow.decode_tokens - 8) << "of the last ones nobody asks";
  EXPECT_GT(fast.mask_seconds, 0);
}

// The tokens are those that the tokenizer makes of the whole text, so far as it is forced.
TEST_F(ConstrainedTest, ForcedTextIsCutAsTheTokenizerCutsIt) {
  const Said said = say(request(ConstraintKind::kRegex, "abab cdcd abc"));
  EXPECT_EQ(said.text, "abab cdcd abc");
  const auto whole = tiny_.tokenizer->encode("\nabab cdcd abc", {.add_special = false});
  ASSERT_GE(whole.size(), said.tokens.size());
  EXPECT_TRUE(std::equal(said.tokens.rbegin(), said.tokens.rend(), whole.rbegin()));
}

TEST_F(ConstrainedTest, LogProbabilitiesAreOfTheModelItself) {
  JobRequest request = this->request(ConstraintKind::kRegex, "zq[0-9]");
  request.options.generator.sampler.logprobs = 2;
  GenerationStatistics statistics;
  const Said said = say(request, &statistics);
  ASSERT_EQ(said.tokens.size(), 3u);
  EXPECT_EQ(statistics.forced_tokens, 2);
  EXPECT_EQ(statistics.decode_steps, 2) << "each needs its logits";
  // The same place without the constraint: the best tokens are the same, and more probable.
  JobRequest free = request;
  free.options.generator.constraint = nullptr;
  free.options.generator.tokens_max = 1;
  const Said said_free = say(free);
  EXPECT_EQ(said.logprobs[1], said_free.logprobs[1]);
  EXPECT_EQ(said.logprobs[2], said_free.logprobs[2]);
  EXPECT_LT(said.logprobs[0], said.logprobs[1]);
}

TEST_F(ConstrainedTest, ACutTextIsNotComplete) {
  for (int64_t most = 0; most < 30; ++most) {
    const Said said = say(request(ConstraintKind::kSchema, kPerson, 1, most));
    EXPECT_EQ(static_cast<int64_t>(said.tokens.size()), most);
    EXPECT_EQ(said.reason, StopReason::kTokensMax);
    EXPECT_FALSE(said.complete);
  }
  const Said whole = say(request(ConstraintKind::kRegex, "a{3}", 1, 3));
  EXPECT_TRUE(whole.complete);
  EXPECT_EQ(whole.text, "aaa");
  JobRequest stopped = request(ConstraintKind::kSchema, kPerson);
  stopped.options.stop_strings = {"kind"};
  EXPECT_FALSE(say(stopped).complete);
  EXPECT_EQ(say(stopped).reason, StopReason::kStopString);
  EXPECT_TRUE(say(stopped).text.ends_with("\""));
}

TEST_F(ConstrainedTest, EndsWhereNothingMayFollow) {
  JobRequest request = this->request(ConstraintKind::kRegex, "(ab){2}");
  request.options.generator.sampler.ignore_end = true;
  GenerationStatistics statistics;
  const Said said = say(request, &statistics);
  EXPECT_EQ(said.text, "abab");
  EXPECT_EQ(said.reason, StopReason::kEndOfText);
  EXPECT_LE(statistics.decode_steps, 1) << "nobody is asked for the end";
  const Said empty = say(this->request(ConstraintKind::kRegex, ""));
  EXPECT_TRUE(empty.tokens.empty());
  EXPECT_EQ(empty.reason, StopReason::kEndOfText);
}

TEST_F(ConstrainedTest, OthersInTheBatchChangeNothing) {
  std::vector<JobRequest> requests;
  for (uint64_t i = 0; i < 16; ++i) {
    if (i % 4 == 0) requests.push_back(request_of(some_tokens(30, i), 40, i));
    if (i % 4 == 1) requests.push_back(request(ConstraintKind::kSchema, kPerson, i));
    if (i % 4 == 2) requests.push_back(request(ConstraintKind::kRegex, "(abc ?){9}[xyz]{5}", i));
    if (i % 4 == 3)
      requests.push_back(request(ConstraintKind::kGbnf,
                                 "root ::= \"(\" root \")\" | "
                                 "\"null and void\"",
                                 i, 60));
  }
  Scheduler scheduler = make();
  std::vector<Job> jobs;
  for (const JobRequest& request : requests) jobs.push_back(scheduler.submit(request));
  const std::vector<Said> said = run_all(scheduler, jobs);
  for (size_t i = 0; i < said.size(); ++i) {
    EXPECT_EQ(said[i], alone(*context_, tiny_, requests[i])) << i;
    EXPECT_FALSE(said[i].failed) << said[i].message;
  }
}

TEST_F(ConstrainedTest, AnErrorOfAConstraintEndsItsJobAlone) {
  // Every "a" doubles the ways in which the text can be read.
  JobRequest bad = request(ConstraintKind::kGbnf,
                           "root ::= \"a\" root \"b\" | \"a\" other \"c\" | \"d\"\n"
                           "other ::= \"a\" root \"c\" | \"a\" other \"b\" | \"e\"");
  const auto letter = tiny_.tokenizer->find("a");
  ASSERT_TRUE(letter);
  bad.options.generator.sampler.biases = {{*letter, 1000.0f}};
  const JobRequest good = request(ConstraintKind::kSchema, kPerson, 2);
  Scheduler scheduler = make();
  std::vector<Job> jobs;
  jobs.push_back(scheduler.submit(bad));
  jobs.push_back(scheduler.submit(good));
  const std::vector<Said> said = run_all(scheduler, jobs);
  EXPECT_TRUE(said[0].failed);
  EXPECT_EQ(said[0].error, ErrorCode::kLimit);
  EXPECT_NE(said[0].message.find("less ambiguous"), std::string::npos) << said[0].message;
  EXPECT_EQ(said[1], alone(*context_, tiny_, good));
}

TEST_F(ConstrainedTest, BansHoldForForcedTextToo) {
  JobRequest request = this->request(ConstraintKind::kRegex, "abc|xyz");
  request.options.generator.sampler.banned_texts = {"bc", "yz"};
  Scheduler scheduler = make();
  const Said said = run_one(scheduler, request);
  EXPECT_TRUE(said.failed);
  EXPECT_NE(said.message.find("bans and constraints exclude all"), std::string::npos);
}

TEST_F(ConstrainedTest, AStateHoldsAllThatWasSaid) {
  for (const int64_t most : {5, 12, 100}) {
    Scheduler scheduler = make();
    JobRequest request = this->request(ConstraintKind::kSchema, kPerson, 3, most);
    request.state = scheduler.make_state();
    const Said said = run_one(scheduler, request);
    std::vector<TokenId> expected = request.tokens;
    expected.insert(expected.end(), said.tokens.begin(), said.tokens.end());
    const auto held = request.state->tokens();
    EXPECT_EQ(std::vector<TokenId>(held.begin(), held.end()), expected);
    EXPECT_FALSE(request.state->logits().empty());
    // What was cut goes on where it was, and says the same text.
    if (said.complete) continue;
    auto rest = std::make_shared<Constraint>(*constraint(ConstraintKind::kSchema, kPerson));
    ASSERT_TRUE(rest->accept_text(said.text));
    JobRequest more = request;
    more.tokens.clear();
    more.options.generator.constraint = rest;
    more.options.generator.tokens_max = 100;
    const Said end = run_one(scheduler, more);
    EXPECT_TRUE(end.complete);
    Constraint whole = *constraint(ConstraintKind::kSchema, kPerson);
    EXPECT_TRUE(whole.accept_text(said.text + end.text) && whole.is_complete());
  }
}

// A context that fills in the middle of forced text.
TEST_F(ConstrainedTest, AFullContextCutsForcedText) {
  for (int64_t room = 1; room < 12; ++room) {
    Scheduler scheduler = make();
    JobRequest request = this->request(ConstraintKind::kRegex, "abcd{30}efgh{30}", 1, -1);
    request.tokens = some_tokens(static_cast<size_t>(128 - room), 1);
    request.overflow = OverflowPolicy::kStop;
    const Said said = run_one(scheduler, request);
    EXPECT_EQ(said.reason, StopReason::kContextFull);
    EXPECT_FALSE(said.complete);
    EXPECT_EQ(static_cast<int64_t>(said.tokens.size()), room + 1);
    EXPECT_EQ(said, alone(*context_, tiny_, request));
    request.overflow = OverflowPolicy::kShift;
    const Said shifted = run_one(scheduler, request);
    EXPECT_TRUE(shifted.complete) << shifted.message;
    EXPECT_EQ(shifted.text, "abc" + std::string(30, 'd') + "efg" + std::string(30, 'h'));
    EXPECT_FALSE(shifted.shifts.empty());
  }
}

TEST_F(ConstrainedTest, AConstraintOfAnotherVocabularyIsRefused) {
  Vocabulary vocabulary = tiny_.tokenizer->vocabulary();
  std::swap(vocabulary.tokens[300], vocabulary.tokens[301]);
  ConstraintFactory others(Tokenizer::make(std::move(vocabulary)));
  JobRequest request = this->request(ConstraintKind::kRegex, "a");
  request.options.generator.constraint =
      std::make_shared<Constraint>(others.make({ConstraintKind::kRegex, "a", {}}));
  Scheduler scheduler = make();
  EXPECT_THROW(scheduler.submit(request), Error);
}

// So few rows at once are the same bits as one after the other: of every kernel that models use.
TEST(ConstrainedTypes, ForcedTokensChangeNothing) {
  for (const DataType type : {DataType::kF32, DataType::kBf16, DataType::kQ8_0, DataType::kQ4_0}) {
    for (const int threads : {1, 3}) {
      SCOPED_TRACE(fmt::format("{}, {} threads", data_type_info(type).name, threads));
      testing::TemporaryFolder folder;
      testing::ModelTestContext context(threads);
      const auto tiny = testing::make_tiny_model(*context, folder.path() / "tiny.gguf", type);
      ConstraintFactory constraints(tiny.tokenizer);
      JobRequest request = request_of(some_tokens(20, 1), 200, 5);
      request.options.generator.sampler.logprobs = -1;
      request.options.generator.sampler.temperature = 3.0f;
      request.options.generator.constraint = std::make_shared<Constraint>(
          constraints.make({ConstraintKind::kRegex, "(some longer words [a-z]{3}, ){3}", {}}));
      Scheduler scheduler(*context, tiny.model, tiny.tokenizer, small_steps());
      const Said said = run_one(scheduler, request);
      EXPECT_TRUE(said.complete);
      EXPECT_EQ(said, alone(*context, tiny, request));
    }
  }
}

}  // namespace
}  // namespace minim
