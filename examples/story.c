/* story MODEL PROMPT: continues a text, in C. */
#include <minim/minim.h>
#include <stdio.h>

static int32_t print_event(void* user, const minim_event* event) {
  (void)user;
  fwrite(event->text, 1, event->text_size, stdout);
  fflush(stdout);
  return 1; /* go on */
}

int main(int argc, char** argv) {
  minim_engine* engine = NULL;
  minim_model* model = NULL;
  minim_session* session = NULL;
  minim_sampling* sampling = NULL;
  minim_generate_options options = MINIM_GENERATE_OPTIONS_INIT;
  minim_error error;
  int failed;
  if (argc != 3) {
    fprintf(stderr, "usage: story MODEL PROMPT\n");
    return 2;
  }
  options.tokens_max = 60;
  failed =
      minim_engine_new(NULL, &engine, &error) != MINIM_OK ||
      minim_model_open(engine, argv[1], NULL, &model, &error) != MINIM_OK ||
      minim_session_new(model, NULL, &session, &error) != MINIM_OK ||
      minim_session_append_text(session, argv[2], MINIM_TEXT_END, MINIM_TOKENIZE_ADD_SPECIAL,
                                &error) != MINIM_OK ||
      minim_sampling_new(&sampling, &error) != MINIM_OK ||
      minim_sampling_set_number(sampling, "temperature", 0, &error) != MINIM_OK ||
      minim_session_generate_to(session, sampling, &options, print_event, NULL, &error) != MINIM_OK;
  if (failed) fprintf(stderr, "story: %s\n", error.message);
  printf("\n");
  minim_sampling_release(sampling);
  minim_session_release(session);
  minim_model_release(model);
  minim_engine_release(engine);
  return failed;
}
