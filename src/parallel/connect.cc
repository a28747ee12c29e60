#include "parallel/connect.h"

#include <dlfcn.h>
#include <fmt/core.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string_view>

#include "base/error.h"
#include "parallel/version.h"

namespace minim::parallel {
namespace {

constexpr const char* kPluginName = "minim-mpi.so";

Path find_plugin(const Path& program_folder) {
  const Path beside = program_folder / kPluginName;
  if (std::filesystem::exists(beside)) return beside;
  const Path installed = program_folder / ".." / "lib" / "minim" / kPluginName;
  if (std::filesystem::exists(installed)) return installed;
  throw Error(ErrorCode::kNotFound,
              fmt::format("mpi: there is no '{}' beside the program or in '{}'; this minim was "
                          "built without MPI (install libopenmpi-dev and build again)",
                          kPluginName, installed.parent_path().lexically_normal().string()));
}

// The first of these variables of the environment that is a count; 1 where none is.
int read_count(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* text = std::getenv(name);
    if (text == nullptr) continue;
    int count = 0;
    const char* end = text + std::strlen(text);
    if (std::from_chars(text, end, count).ptr == end && count > 0) return count;
  }
  return 1;
}

}  // namespace

Launch read_launch() {
  // Open MPI; MPICH and its family, Slurm's launcher among them.
  return {read_count({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}),
          read_count({"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"})};
}

std::unique_ptr<Communicator> connect_mpi(const Path& program_folder) {
  const Path path = find_plugin(program_folder);
  const auto refuse = [&](std::string_view why) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("mpi: '{}' cannot be used: {}", path.string(), why));
  };
  // Stays loaded: MPI's own threads may outlive whoever asked for it.
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) refuse(dlerror());
  const auto* plugin = static_cast<const MpiPlugin*>(dlsym(library, kMpiPluginSymbol));
  if (plugin == nullptr) refuse("it is no plug-in of minim");
  if (std::string_view(plugin->version()) != build_version()) {
    refuse(
        fmt::format("it is of version {}, the program of {}", plugin->version(), build_version()));
  }
  return std::unique_ptr<Communicator>(plugin->connect());
}

}  // namespace minim::parallel
