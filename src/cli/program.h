// The whole command line as a function, so that tests can call it.
#pragma once

namespace minim::cli {

// Runs the program; returns its exit code and throws nothing.
int run_program(int argc, const char* const* argv);

}  // namespace minim::cli
