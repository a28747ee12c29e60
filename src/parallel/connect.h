// How a process finds those that were started with it.
#pragma once

#include <memory>

#include "base/file.h"
#include "parallel/communicator.h"

namespace minim::parallel {

// How many processes mpirun says it has started, and how many of them on this machine; 1 where it
// did not start this one.
struct Launch {
  int process_count = 1;
  int here_count = 1;
};
Launch read_launch();

// Joins the processes that mpirun started. MPI comes with a plug-in, "minim-mpi.so", so that those
// who train on one machine need no MPI: it lies beside the program or in ../lib/minim. Leaving is
// the communicator's end. Throws kNotFound where there is no plug-in, kUnsupported where it cannot
// be loaded or is of another version of minim, kIo where MPI cannot start.
std::unique_ptr<Communicator> connect_mpi(const Path& program_folder);

// What the plug-in exports, under this name.
struct MpiPlugin {
  const char* (*version)();  // has to be that of the program
  Communicator* (*connect)();
};
constexpr const char* kMpiPluginSymbol = "minim_mpi_plugin";

}  // namespace minim::parallel
