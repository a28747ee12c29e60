#include <minim/minim.h>
#include <string.h>

int main(int argc, char** argv) {
  minim_engine* engine = 0;
  minim_model* model = 0;
  minim_error error;
  minim_status status = minim_engine_new(0, &engine, &error);
  if (argc != 2 || strlen(minim_version()) == 0) return 2;
  if (status == MINIM_OK) status = minim_model_open(engine, argv[1], 0, &model, &error);
  minim_model_release(model);
  minim_engine_release(engine);
  return status == MINIM_OK ? 0 : 1;
}
