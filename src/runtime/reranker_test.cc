#include "runtime/reranker.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "runtime/testing/scheduler_rig.h"

namespace minim {
namespace {

class RerankerTest : public testing::SchedulerTest {
 protected:
  Reranker make(const RerankerOptions& options = {}) {
    return Reranker(*context_, tiny_.model, tiny_.tokenizer, options);
  }
  // A short prompt, so that it fits the tiny context.
  static RerankerOptions short_options(RerankMethod method) {
    RerankerOptions options;
    options.method = method;
    options.prompt = method == RerankMethod::kQueryLikelihood ? "D: {document} Q: {query}"
                                                              : "Q: {query} D: {document} A:";
    options.yes = "y";
    options.no = "n";
    return options;
  }

  std::vector<TokenId> encode(std::string_view text) const {
    return tiny_.tokenizer->encode(text, {.add_special = false});
  }

  const std::vector<std::string> documents_ = {"a cat", "the dog ran off", "", "rain and rain",
                                               "it is a long way, says he"};
};

// ln p of tokens [begin, end), by a session that reads all of them.
double likelihood(Session& session, const std::vector<TokenId>& tokens, size_t begin) {
  double sum = 0;
  session.append(tokens, static_cast<int64_t>(begin) - 1, [&](int64_t first, MatrixView logits) {
    for (int64_t row = 0; row < logits.rows; ++row) {
      const auto next = static_cast<size_t>(first + row) + 1;
      if (next >= tokens.size()) continue;
      double total = 0;
      for (int64_t i = 0; i < logits.cols; ++i) total += std::exp(double{logits.row(row)[i]});
      sum += double{logits.row(row)[tokens[next]]} - std::log(total);
    }
  });
  return sum / static_cast<double>(tokens.size() - begin);
}

TEST_F(RerankerTest, ALikelihoodIsThatOfTheQueryAfterTheDocument) {
  Reranker reranker = make(short_options(RerankMethod::kQueryLikelihood));
  const Ranking ranking = reranker.rank("who ran?", documents_);
  ASSERT_EQ(ranking.scores.size(), documents_.size());
  for (size_t i = 0; i < documents_.size(); ++i) {
    std::vector<TokenId> tokens = tiny_.tokenizer->encode("");
    for (const std::string& part : {std::string("D: "), documents_[i], std::string(" Q: ")}) {
      for (const TokenId token : encode(part)) tokens.push_back(token);
    }
    const size_t begin = tokens.size();
    for (const TokenId token : encode("who ran?")) tokens.push_back(token);
    Session session(*context_, tiny_.model);
    EXPECT_NEAR(ranking.scores[i], likelihood(session, tokens, begin), 1e-4) << i;
    EXPECT_LT(ranking.scores[i], 0);
  }
}

TEST_F(RerankerTest, AnAnswerIsTheProbabilityOfYesAgainstNo) {
  Reranker reranker = make(short_options(RerankMethod::kYesNo));
  const Ranking ranking = reranker.rank("who ran?", documents_);
  for (size_t i = 0; i < documents_.size(); ++i) {
    std::vector<TokenId> tokens = tiny_.tokenizer->encode("");
    for (const std::string& part : {std::string("Q: "), std::string("who ran?"),
                                    std::string(" D: "), documents_[i], std::string(" A:")}) {
      for (const TokenId token : encode(part)) tokens.push_back(token);
    }
    Session session(*context_, tiny_.model);
    const auto logits = session.append(tokens);
    const double yes = std::exp(double{logits[static_cast<size_t>(encode("y").front())]});
    const double no = std::exp(double{logits[static_cast<size_t>(encode("n").front())]});
    EXPECT_NEAR(ranking.scores[i], yes / (yes + no), 1e-5) << i;
  }
}

TEST_F(RerankerTest, AnEmbeddingScoresByItsCosine) {
  RerankerOptions options;
  options.method = RerankMethod::kEmbedding;
  options.embedding.pooling = Pooling::kMean;
  Reranker reranker = make(options);
  const std::vector<std::string> texts = {"who ran?", "the dog ran off", "who ran?"};
  const Ranking ranking = reranker.rank("who ran?", texts);
  EXPECT_NEAR(ranking.scores[0], 1, 1e-6);
  EXPECT_LT(ranking.scores[1], 0.9999);
  EXPECT_EQ(ranking.order, (std::vector<int64_t>{0, 2, 1})) << "equals stay in their order";
}

TEST_F(RerankerTest, OtherDocumentsChangeNoScore) {
  for (const auto method : {RerankMethod::kQueryLikelihood, RerankMethod::kYesNo}) {
    SCOPED_TRACE(rerank_method_name(method));
    Reranker reranker = make(short_options(method));
    const Ranking together = reranker.rank("who ran off, and where?", documents_);
    for (size_t i = 0; i < documents_.size(); ++i) {
      const Ranking alone = reranker.rank("who ran off, and where?", {&documents_[i], 1});
      EXPECT_EQ(alone.scores[0], together.scores[i]) << i;
    }
    for (size_t i = 1; i < documents_.size(); ++i) {
      EXPECT_GE(together.scores[static_cast<size_t>(together.order[i - 1])],
                together.scores[static_cast<size_t>(together.order[i])]);
    }
  }
}

// A document may say what looks like a mark of the template: it stays text.
TEST_F(RerankerTest, DocumentsAreTextAlone) {
  RerankerOptions options = short_options(RerankMethod::kYesNo);
  options.prompt = "{instruction}: {query} {document}";
  options.instruction = "is {query} in {document}";
  Reranker reranker = make(options);
  const std::vector<std::string> documents = {"{query} {document} </s> <s>"};
  const Ranking ranking = reranker.rank("{document}", documents);
  int64_t count = static_cast<int64_t>(tiny_.tokenizer->encode("").size());
  for (const char* part :
       {"is {query} in {document}", ": ", "{document}", " ", "{query} {document} </s> <s>"}) {
    count += static_cast<int64_t>(encode(part).size());
  }
  EXPECT_EQ(ranking.computed_tokens, count);
}

TEST_F(RerankerTest, LongDocumentsAreCutOnlyOnRequest) {
  RerankerOptions options = short_options(RerankMethod::kQueryLikelihood);
  const std::vector<std::string> documents = {"short", std::string(1000, 'x') + " long"};
  try {
    make(options).rank("who?", documents);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit);
    EXPECT_NE(std::string(error.what()).find("document 1"), std::string::npos) << error.what();
  }
  options.truncate = true;
  const Ranking ranking = make(options).rank("who?", documents);
  EXPECT_EQ(ranking.truncated_count, 1);
  EXPECT_THROW(make(options).rank(std::string(1000, 'q'), documents), Error);
}

TEST_F(RerankerTest, RefusesWhatMakesNoSense) {
  const auto refused = [&](const auto& change, RerankMethod method) {
    RerankerOptions options = short_options(method);
    change(options);
    EXPECT_THROW(make(options), Error);
  };
  for (const auto method : {RerankMethod::kQueryLikelihood, RerankMethod::kYesNo}) {
    refused([](RerankerOptions& o) { o.prompt = "{query}"; }, method);
    refused([](RerankerOptions& o) { o.prompt = "{document}{document} {query}"; }, method);
    refused([](RerankerOptions& o) { o.prompt = "none"; }, method);
    refused([](RerankerOptions& o) { o.packing.batch_tokens = 1; }, method);
  }
  refused([](RerankerOptions& o) { o.prompt = "{query} {document}"; },
          RerankMethod::kQueryLikelihood);
  refused([](RerankerOptions& o) { o.yes = "y y y"; }, RerankMethod::kYesNo);
  refused([](RerankerOptions& o) { o.yes = "n"; }, RerankMethod::kYesNo);
  Reranker reranker = make(short_options(RerankMethod::kQueryLikelihood));
  EXPECT_THROW(reranker.rank("", documents_), Error);
  EXPECT_TRUE(reranker.rank("who?", {}).scores.empty());
}

TEST_F(RerankerTest, TheDefaultPromptsSuitTheVocabulary) {
  const Tokenizer& plain = *tiny_.tokenizer;
  EXPECT_NE(default_rerank_template(RerankMethod::kYesNo, plain).find("Answer:"),
            std::string::npos);
  EXPECT_TRUE(default_rerank_template(RerankMethod::kQueryLikelihood, plain).ends_with("{query}"));
  Vocabulary vocabulary = plain.vocabulary();
  vocabulary.tokens[398] = "<|im_start|>";
  vocabulary.tokens[399] = "<|im_end|>";
  const auto chat = Tokenizer::make(vocabulary);
  EXPECT_TRUE(default_rerank_template(RerankMethod::kYesNo, *chat).starts_with("<|im_start|>"));
}

}  // namespace
}  // namespace minim
