// `minim report`: one HTML page about a training run.
#include <fmt/core.h>

#include <memory>
#include <string>

#include "base/file.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "train/run/run_log.h"
#include "train/run/run_report.h"

namespace minim::cli {
namespace {

struct Options {
  std::string folder;
  std::string output;
};

int report(const Options& options) {
  const train::RunHistory history = train::read_run_log(options.folder);
  const Path path =
      options.output.empty() ? Path(options.folder) / "report.html" : Path(options.output);
  FileWriter writer(path);
  writer.write(train::format_run_report(history));
  writer.commit();
  fmt::print("{}\n", path.string());
  return kExitOk;
}

}  // namespace

Action add_report(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("RUN", options->folder, "Folder of the run, with its log.jsonl")->required();
  app.add_option("-o,--out", options->output, "File to write (default: report.html in the folder)");
  app.footer(
      "The page holds its curves and settings itself and needs nothing from elsewhere.\n\n"
      "Example:\n  minim report runs/toy");
  return [options] { return report(*options); };
}

}  // namespace minim::cli
