// make_test_model PATH: writes the model of test_models.h that has a chat template.
#include "tests/api/test_models.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  minim_test::write_chat_model(argv[1], 4096);
  return 0;
}
