// OpenAI's API of files and batches, for servers that keep data. Each responds itself, or throws a
// Refusal.
#pragma once

#include "serve/call.h"

namespace minim::serve {

void upload_file(const Call& call);   // POST /v1/files
void list_files(const Call& call);    // GET /v1/files
void show_file(const Call& call);     // GET /v1/files/{file}
void file_content(const Call& call);  // GET /v1/files/{file}/content
void delete_file(const Call& call);   // DELETE /v1/files/{file}

void create_batch(const Call& call);  // POST /v1/batches
void list_batches(const Call& call);  // GET /v1/batches
void show_batch(const Call& call);    // GET /v1/batches/{batch}
void cancel_batch(const Call& call);  // POST /v1/batches/{batch}/cancel

// Throws Refusal(404) where the server keeps nothing.
DataStore& data_of(const Call& call);

}  // namespace minim::serve
