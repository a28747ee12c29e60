#include "api/arguments.h"
#include "api/draft.h"
#include "api/guard.h"
#include "formats/vocabulary.h"

namespace minim::api {
namespace {

std::shared_ptr<DraftModel> open_draft(OpenModel& model, std::string_view path) {
  const auto file = open_model_file(Path(path));
  const auto tokenizer = Tokenizer::make(read_vocabulary(file->metadata()));
  const int64_t context =
      std::min<int64_t>(read_model_config(*file).context_length, model.context_tokens());
  SharedEngine& engine = model.engine();
  const auto threads = engine.make_loading_threads();
  const Context& shared = engine.context();
  auto draft = Model::load({*threads, shared.kernels, shared.log, shared.memory}, file,
                           {.context_length = context});
  return std::make_shared<DraftModel>(shared, std::move(draft), *tokenizer, *model.tokenizer());
}

}  // namespace

SpeculationOptions speculation_of(const minim_generate_options& options, const OpenModel& model) {
  SpeculationOptions speculation{.prompt_lookup = options.no_lookup == 0};
  if (options.draft == nullptr) return speculation;
  if (options.draft->of.get() != &model) {
    refuse("'draft' was opened for another model; open it for the one that the session is of");
  }
  speculation.draft = options.draft->shared;
  return speculation;
}

}  // namespace minim::api

using minim::api::guard;
using minim::api::required;
using minim::api::text_argument;

minim_status minim_draft_open(minim_model* model, const char* path, minim_draft** draft,
                              minim_error* error) noexcept {
  return guard(error, [&] {
    minim_draft*& result = required(draft, "draft");
    const auto& of = required(model, "model").shared;
    result = new minim_draft{of, minim::api::open_draft(*of, text_argument(path, "path"))};
  });
}

void minim_draft_release(minim_draft* draft) noexcept { delete draft; }
