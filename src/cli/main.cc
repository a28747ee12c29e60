// The minim program.
#include "cli/program.h"

int main(int argc, char** argv) { return minim::cli::run_program(argc, argv); }
