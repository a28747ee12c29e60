// Items: what the Responses API makes conversations of. Messages, calls and their outputs, and
// reasoning, each an object with a type and an id, whether a client sent it or the model said it.
#pragma once

#include <string>

#include "base/json.h"
#include "serve/engine/served_model.h"
#include "serve/request/fields.h"

namespace minim::serve {

// The field input: a string, or a list of items. They come back in the form in which they are
// listed, with ids that end with `id_tail` where they had none. Throws Refusal(400) with the path
// of what is wrong.
OrderedJson read_input_items(Fields& fields, const ServedModel& model, const std::string& id_tail);

// The messages as a chat template gets them: what an assistant thought, said and called on end is
// one. Throws Refusal(400) for an output whose call is not among the items; `first` is the index of
// the first item that came as `input`.
OrderedJson messages_of_items(const OrderedJson& items, size_t first);

}  // namespace minim::serve
