/* The layout of every public struct on 64-bit machines, and the number of every enum, as version 1
 * of the ABI has them. What is here never changes; what is added comes at the end. */
#include <stddef.h>

#include "minim/minim.h"

#define SIZE(type, bytes) typedef char type##_size[sizeof(type) == (bytes) ? 1 : -1]
#define FIELD(type, field, at) \
  typedef char type##_##field##_at[offsetof(type, field) == (at) ? 1 : -1]
#define NUMBER(name, number) typedef char name##_is[(int)(name) == (number) ? 1 : -1]

SIZE(minim_error, 1024);
FIELD(minim_error, status, 0);
FIELD(minim_error, message, 4);

SIZE(minim_allocator, 24);
FIELD(minim_allocator, user, 0);
FIELD(minim_allocator, allocate, 8);
FIELD(minim_allocator, release, 16);

SIZE(minim_thread_hooks, 24);
FIELD(minim_thread_hooks, user, 0);
FIELD(minim_thread_hooks, started, 8);
FIELD(minim_thread_hooks, ended, 16);

SIZE(minim_engine_options, 88);
FIELD(minim_engine_options, struct_size, 0);
FIELD(minim_engine_options, threads, 4);
FIELD(minim_engine_options, log, 8);
FIELD(minim_engine_options, log_user, 16);
FIELD(minim_engine_options, allocator, 24);
FIELD(minim_engine_options, thread_hooks, 48);
FIELD(minim_engine_options, governor, 72);
FIELD(minim_engine_options, system_root, 80);

SIZE(minim_model_options, 80);
FIELD(minim_model_options, struct_size, 0);
FIELD(minim_model_options, cache_type, 4);
FIELD(minim_model_options, context_tokens, 8);
FIELD(minim_model_options, batch_tokens, 16);
FIELD(minim_model_options, sessions_max, 24);
FIELD(minim_model_options, cache_bytes_max, 32);
FIELD(minim_model_options, prefix_bytes_max, 40);
FIELD(minim_model_options, exact, 48);
FIELD(minim_model_options, tokenizer, 56);
FIELD(minim_model_options, progress, 64);
FIELD(minim_model_options, progress_user, 72);

SIZE(minim_forecast, 56);
FIELD(minim_forecast, struct_size, 0);
FIELD(minim_forecast, fits, 4);
FIELD(minim_forecast, weight_bytes, 8);
FIELD(minim_forecast, cache_bytes, 16);
FIELD(minim_forecast, activation_bytes, 24);
FIELD(minim_forecast, available_bytes, 32);
FIELD(minim_forecast, prompt_tokens_per_second, 40);
FIELD(minim_forecast, generated_tokens_per_second, 48);

SIZE(minim_model_info, 80);
FIELD(minim_model_info, struct_size, 0);
FIELD(minim_model_info, vocabulary_size, 4);
FIELD(minim_model_info, architecture, 8);
FIELD(minim_model_info, name, 16);
FIELD(minim_model_info, parameters, 24);
FIELD(minim_model_info, weight_bytes, 32);
FIELD(minim_model_info, context_tokens, 40);
FIELD(minim_model_info, trained_context_tokens, 48);
FIELD(minim_model_info, dimensions, 56);
FIELD(minim_model_info, has_chat_template, 64);
FIELD(minim_model_info, fallback_count, 68);
FIELD(minim_model_info, bos_token, 72);
FIELD(minim_model_info, eos_token, 76);

SIZE(minim_option_info, 48);
FIELD(minim_option_info, struct_size, 0);
FIELD(minim_option_info, kind, 4);
FIELD(minim_option_info, name, 8);
FIELD(minim_option_info, group, 16);
FIELD(minim_option_info, help, 24);
FIELD(minim_option_info, default_value, 32);
FIELD(minim_option_info, bounds, 40);

SIZE(minim_adapter_info, 24);
FIELD(minim_adapter_info, struct_size, 0);
FIELD(minim_adapter_info, rank_max, 4);
FIELD(minim_adapter_info, matrices, 8);
FIELD(minim_adapter_info, bytes, 16);

SIZE(minim_session_options, 40);
FIELD(minim_session_options, struct_size, 0);
FIELD(minim_session_options, overflow, 4);
FIELD(minim_session_options, context_tokens, 8);
FIELD(minim_session_options, shift_sinks, 16);
FIELD(minim_session_options, shift_share, 24);
FIELD(minim_session_options, shift_reread, 32);
FIELD(minim_session_options, priority, 36);

SIZE(minim_message, 16);
FIELD(minim_message, role, 0);
FIELD(minim_message, content, 8);

SIZE(minim_chat_options, 32);
FIELD(minim_chat_options, struct_size, 0);
FIELD(minim_chat_options, no_answer, 4);
FIELD(minim_chat_options, tools, 8);
FIELD(minim_chat_options, variables, 16);
FIELD(minim_chat_options, tool_notation, 24);

SIZE(minim_token_logprob, 8);
FIELD(minim_token_logprob, token, 0);
FIELD(minim_token_logprob, logprob, 4);

SIZE(minim_event, 104);
FIELD(minim_event, struct_size, 0);
FIELD(minim_event, type, 4);
FIELD(minim_event, text, 8);
FIELD(minim_event, text_size, 16);
FIELD(minim_event, token, 24);
FIELD(minim_event, logprob, 28);
FIELD(minim_event, top, 32);
FIELD(minim_event, top_count, 40);
FIELD(minim_event, done, 48);
FIELD(minim_event, total, 56);
FIELD(minim_event, reason, 64);
FIELD(minim_event, status, 68);
FIELD(minim_event, detail, 72);
FIELD(minim_event, complete, 80);
FIELD(minim_event, call_index, 84);
FIELD(minim_event, call_name, 88);
FIELD(minim_event, call_arguments, 96);

SIZE(minim_generate_options, 64);
FIELD(minim_generate_options, struct_size, 0);
FIELD(minim_generate_options, progress, 4);
FIELD(minim_generate_options, tokens_max, 8);
FIELD(minim_generate_options, partial_json, 16);
FIELD(minim_generate_options, tool_calls, 20);
FIELD(minim_generate_options, constraint, 24);
FIELD(minim_generate_options, constraint_prefix, 32);
FIELD(minim_generate_options, tools, 40);
FIELD(minim_generate_options, draft, 48);
FIELD(minim_generate_options, no_lookup, 56);

SIZE(minim_session_statistics, 136);
FIELD(minim_session_statistics, struct_size, 0);
FIELD(minim_session_statistics, energy_source, 4);
FIELD(minim_session_statistics, prompt_tokens, 8);
FIELD(minim_session_statistics, reused_tokens, 16);
FIELD(minim_session_statistics, generated_tokens, 24);
FIELD(minim_session_statistics, decode_steps, 32);
FIELD(minim_session_statistics, queue_seconds, 40);
FIELD(minim_session_statistics, prompt_seconds, 48);
FIELD(minim_session_statistics, first_token_seconds, 56);
FIELD(minim_session_statistics, decode_seconds, 64);
FIELD(minim_session_statistics, joules, 72);
FIELD(minim_session_statistics, decode_passes, 80);
FIELD(minim_session_statistics, forced_tokens, 88);
FIELD(minim_session_statistics, mask_seconds, 96);
FIELD(minim_session_statistics, guessed_tokens, 104);
FIELD(minim_session_statistics, right_tokens, 112);
FIELD(minim_session_statistics, draft_seconds, 120);
FIELD(minim_session_statistics, saved_seconds, 128);

SIZE(minim_model_statistics, 72);
FIELD(minim_model_statistics, struct_size, 0);
FIELD(minim_model_statistics, sessions, 4);
FIELD(minim_model_statistics, running, 8);
FIELD(minim_model_statistics, waiting, 16);
FIELD(minim_model_statistics, prompt_tokens, 24);
FIELD(minim_model_statistics, generated_tokens, 32);
FIELD(minim_model_statistics, cache_bytes, 40);
FIELD(minim_model_statistics, cache_bytes_max, 48);
FIELD(minim_model_statistics, prefix_hits, 56);
FIELD(minim_model_statistics, prefix_lookups, 64);

SIZE(minim_text, 16);
FIELD(minim_text, data, 0);
FIELD(minim_text, size, 8);

SIZE(minim_embed_options, 24);
FIELD(minim_embed_options, struct_size, 0);
FIELD(minim_embed_options, pooling, 4);
FIELD(minim_embed_options, not_normalized, 8);
FIELD(minim_embed_options, truncate, 12);
FIELD(minim_embed_options, dimensions, 16);

SIZE(minim_rank_options, 32);
FIELD(minim_rank_options, struct_size, 0);
FIELD(minim_rank_options, method, 4);
FIELD(minim_rank_options, truncate, 8);
FIELD(minim_rank_options, pooling, 12);
FIELD(minim_rank_options, instruction, 16);
FIELD(minim_rank_options, prompt, 24);

SIZE(minim_constraint_options, 8);
FIELD(minim_constraint_options, struct_size, 0);
FIELD(minim_constraint_options, json_spacing, 4);

SIZE(minim_tools_options, 32);
FIELD(minim_tools_options, struct_size, 0);
FIELD(minim_tools_options, choice, 4);
FIELD(minim_tools_options, name, 8);
FIELD(minim_tools_options, notation, 16);
FIELD(minim_tools_options, single, 24);
FIELD(minim_tools_options, unconstrained, 28);

NUMBER(MINIM_OK, 0);
NUMBER(MINIM_INVALID_ARGUMENT, 1);
NUMBER(MINIM_NOT_FOUND, 2);
NUMBER(MINIM_IO, 3);
NUMBER(MINIM_FORMAT, 4);
NUMBER(MINIM_UNSUPPORTED, 5);
NUMBER(MINIM_LIMIT, 6);
NUMBER(MINIM_CANCELLED, 7);
NUMBER(MINIM_BUSY, 8);
NUMBER(MINIM_OUT_OF_MEMORY, 9);
NUMBER(MINIM_INTERNAL, 10);
NUMBER(MINIM_LOG_DEBUG, 0);
NUMBER(MINIM_LOG_INFO, 1);
NUMBER(MINIM_LOG_WARNING, 2);
NUMBER(MINIM_LOG_ERROR, 3);
NUMBER(MINIM_CACHE_F16, 0);
NUMBER(MINIM_CACHE_F32, 1);
NUMBER(MINIM_CACHE_Q8_0, 2);
NUMBER(MINIM_CACHE_Q4_0, 3);
NUMBER(MINIM_TOKENIZE_ADD_SPECIAL, 1);
NUMBER(MINIM_TOKENIZE_PARSE_SPECIAL, 2);
NUMBER(MINIM_OPTION_NUMBER, 0);
NUMBER(MINIM_OPTION_INTEGER, 1);
NUMBER(MINIM_OPTION_SWITCH, 2);
NUMBER(MINIM_OPTION_TEXT, 3);
NUMBER(MINIM_OPTION_TEXT_LIST, 4);
NUMBER(MINIM_OVERFLOW_STOP, 0);
NUMBER(MINIM_OVERFLOW_ERROR, 1);
NUMBER(MINIM_OVERFLOW_SHIFT, 2);
NUMBER(MINIM_EVENT_NONE, 0);
NUMBER(MINIM_EVENT_PROGRESS, 1);
NUMBER(MINIM_EVENT_TOKEN, 2);
NUMBER(MINIM_EVENT_PARTIAL_JSON, 3);
NUMBER(MINIM_EVENT_TOOL_CALL, 4);
NUMBER(MINIM_EVENT_CONTEXT_OVERFLOW, 5);
NUMBER(MINIM_EVENT_BACKEND_FALLBACK, 6);
NUMBER(MINIM_EVENT_THERMAL, 7);
NUMBER(MINIM_EVENT_DONE, 8);
NUMBER(MINIM_DONE_END_OF_TEXT, 1);
NUMBER(MINIM_DONE_TOKENS_MAX, 2);
NUMBER(MINIM_DONE_CONTEXT_FULL, 3);
NUMBER(MINIM_DONE_STOP_TOKEN, 4);
NUMBER(MINIM_DONE_STOP_STRING, 5);
NUMBER(MINIM_DONE_CANCELLED, 6);
NUMBER(MINIM_DONE_ERROR, 7);
NUMBER(MINIM_ENERGY_NONE, 0);
NUMBER(MINIM_ENERGY_RAPL, 1);
NUMBER(MINIM_ENERGY_BATTERY, 2);
NUMBER(MINIM_ENERGY_ESTIMATED, 3);
NUMBER(MINIM_POOLING_MODEL, 0);
NUMBER(MINIM_POOLING_MEAN, 1);
NUMBER(MINIM_POOLING_LAST, 2);
NUMBER(MINIM_POOLING_CLS, 3);
NUMBER(MINIM_RANK_EMBEDDINGS, 0);
NUMBER(MINIM_RANK_LIKELIHOOD, 1);
NUMBER(MINIM_RANK_JUDGEMENT, 2);
NUMBER(MINIM_CONSTRAINT_JSON_SCHEMA, 0);
NUMBER(MINIM_CONSTRAINT_JSON_OBJECT, 1);
NUMBER(MINIM_CONSTRAINT_REGEX, 2);
NUMBER(MINIM_CONSTRAINT_GRAMMAR, 3);
NUMBER(MINIM_JSON_FLEXIBLE, 0);
NUMBER(MINIM_JSON_COMPACT, 1);
NUMBER(MINIM_JSON_SPACED, 2);
NUMBER(MINIM_MATCH_NONE, 0);
NUMBER(MINIM_MATCH_BEGINNING, 1);
NUMBER(MINIM_MATCH_WHOLE, 2);
NUMBER(MINIM_TOOL_CHOICE_AUTO, 0);
NUMBER(MINIM_TOOL_CHOICE_NONE, 1);
NUMBER(MINIM_TOOL_CHOICE_REQUIRED, 2);
