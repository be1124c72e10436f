// See context.h: the compiler, its flags, the CPU.
#include "context.h"

#include <sleef.h>
#include <sys/utsname.h>

#include <algorithm>
#include <fstream>

#include "machine.h"
#include "peers/peers.h"
#include "rows.h"
#include "vloss/vloss.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

namespace {

std::string FirstLine(const std::string &path) {
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) ? line : "unknown";
}

// "AMD EPYC, family 26, model 2": virtual machines often hide the name, seldom the numbers.
std::string Cpu() {
  std::ifstream file("/proc/cpuinfo");
  std::string name, numbers;
  for (std::string line; std::getline(file, line) && !line.empty();) {
    const std::string key = line.substr(0, line.find_first_of("\t:"));
    const std::string value = line.substr(std::min(line.size(), line.find(':') + 2));
    if (key == "model name" || key == "CPU part") name = value;
    if (key == "cpu family") numbers += ", family " + value;
    if (key == "model") numbers += ", model " + value;
  }
  return name + numbers;
}

std::string Caches() {
  std::string caches;
  for (const char *level : {"0", "1", "2", "3"}) {
    const std::string path = std::string("/sys/devices/system/cpu/cpu0/cache/index") + level + "/";
    if (!std::ifstream(path + "size")) continue;
    const std::string type = FirstLine(path + "type");
    if (!caches.empty()) caches += ", ";
    caches += "L" + FirstLine(path + "level") +
              (type == "Unified"          ? ""
               : type.substr(0, 1) == "D" ? "d"
                                          : "i") +
              " " + FirstLine(path + "size");
  }
  return caches.empty() ? "unknown" : caches;
}

// Those that can run here, best first.
std::string Isas() {
  std::string isas;
  for (const std::string &isa : SupportedIsas()) isas += (isas.empty() ? "" : " ") + isa;
  return isas;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> Context() {
  utsname system{};
  uname(&system);
  std::vector<std::pair<std::string, std::string>> context{
      {"cpu", Cpu()},
      {"cache sizes", Caches()},
      {"cpu features", vloss_cpu_features()},
      {"kernel", std::string(system.sysname) + " " + system.release + " " + system.machine},
      {"governor", FirstLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")},
      {"rows in memory", MemoryWords()},
      {"huge pages", FirstLine("/sys/kernel/mm/transparent_hugepage/enabled")},
      {"vloss", vloss_version()},
      {"ISAs", Isas()},
      {"compiler", BENCH_COMPILER},
      {"flags", BENCH_FLAGS},
      {"plain loops' flags", BENCH_PLAIN_FLAGS},
      {"and of each ISA", BENCH_PLAIN_ISAS},
      {"SLEEF", STRING(SLEEF_VERSION_MAJOR) "." STRING(SLEEF_VERSION_MINOR) "." STRING(SLEEF_VERSION_PATCHLEVEL)},
  };
  const std::string warning = MemoryWarning();
  if (!warning.empty()) context.emplace_back("warning", warning);
  for (const Peer &peer : Peers()) context.emplace_back("peer " + peer.name, peer.version + ": " + peer.asked);
  if (!Peers().empty()) context.emplace_back("peers' heap", kPeerHeap);
  return context;
}
