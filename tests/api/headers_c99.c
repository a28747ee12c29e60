/* minim.h is C99, and its initialisers give no warnings. */
#include "minim/minim.h"

const minim_engine_options kEngineOptions = MINIM_ENGINE_OPTIONS_INIT;
const minim_model_options kModelOptions = MINIM_MODEL_OPTIONS_INIT;
const minim_forecast kForecast = MINIM_FORECAST_INIT;
const minim_model_info kModelInfo = MINIM_MODEL_INFO_INIT;
const minim_option_info kOptionInfo = MINIM_OPTION_INFO_INIT;
const minim_session_options kSessionOptions = MINIM_SESSION_OPTIONS_INIT;
const minim_chat_options kChatOptions = MINIM_CHAT_OPTIONS_INIT;
const minim_event kEvent = MINIM_EVENT_INIT;
const minim_generate_options kGenerateOptions = MINIM_GENERATE_OPTIONS_INIT;
const minim_session_statistics kSessionStatistics = MINIM_SESSION_STATISTICS_INIT;
const minim_model_statistics kModelStatistics = MINIM_MODEL_STATISTICS_INIT;
const minim_embed_options kEmbedOptions = MINIM_EMBED_OPTIONS_INIT;
const minim_rank_options kRankOptions = MINIM_RANK_OPTIONS_INIT;
