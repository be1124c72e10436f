// See machine.h: read from /sys and /proc.
#include "machine.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <limits>
#include <set>

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20, kLeast = 32 * kMiB, kUsual = 256 * kMiB,
                      kMostForOthers = 1024 * kMiB;
// Times the last-level cache: some of it always hits, and less so the more there is beyond it.
constexpr std::size_t kBeyond = 2;
// All arrays of data.h together, in working sets; and the share of the available memory that they may take.
constexpr double kArrays = 6.5, kShareOfMemory = 0.75;

std::string FirstLine(const std::string &path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

struct LastLevel {
  std::size_t largest = 0, all = 0;  // of one, and of all together: of several sockets or groups of cores; 0: unknown
};

// The last of the caches that each CPU lists; CPUs that share one are listed with it.
LastLevel FindLastLevel() {
  LastLevel found;
  std::set<std::string> seen;
  const long cpus = sysconf(_SC_NPROCESSORS_CONF);
  for (long cpu = 0; cpu < cpus; cpu++) {
    std::size_t bytes = 0;
    std::string shared;
    for (int index = 0, highest = 0; index < 8; index++) {
      const std::string folder =
          "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index" + std::to_string(index) + "/";
      const int level = std::atoi(FirstLine(folder + "level").c_str());
      const std::string size = FirstLine(folder + "size");  // "36608K"
      if (level <= highest || size.empty()) continue;
      highest = level;
      bytes = std::strtoull(size.c_str(), nullptr, 10) << (size.back() == 'M' ? 20 : 10);
      shared = FirstLine(folder + "shared_cpu_list");
    }
    if (!bytes || !seen.insert(shared).second) continue;
    found.largest = std::max(found.largest, bytes);
    found.all += bytes;
  }
#ifdef _SC_LEVEL3_CACHE_SIZE
  if (!found.largest)
    found.largest = found.all = static_cast<std::size_t>(std::max(0L, sysconf(_SC_LEVEL3_CACHE_SIZE)));
#endif
  return found;
}

const LastLevel &Caches() {
  static const LastLevel found = FindLastLevel();
  return found;
}

// What can be had without swapping: of the machine, and of the control group that this runs in, if it has a limit.
std::size_t AvailableMemory() {
  std::size_t available = std::numeric_limits<std::size_t>::max();
  std::ifstream file("/proc/meminfo");
  for (std::string key, line; file >> key && std::getline(file, line);)
    if (key == "MemAvailable:") available = std::strtoull(line.c_str(), nullptr, 10) << 10;
  for (const char *path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const std::size_t limit = std::strtoull(FirstLine(path).c_str(), nullptr, 10);  // "max" is none
    if (limit) available = std::min(available, limit);
  }
  return available;
}

// Twice the last-level cache of a core; and as much of all of them, which a thread that is moved about may use, if that
// does not take too long.
std::size_t ChooseMemoryBytes() {
  const LastLevel &caches = Caches();
  const std::size_t wanted =
      std::max({kUsual, kBeyond * caches.largest, std::min(kBeyond * caches.all, kMostForOthers)});
  const double most = static_cast<double>(AvailableMemory()) * kShareOfMemory / kArrays;
  const std::size_t chosen = static_cast<double>(wanted) <= most ? wanted : static_cast<std::size_t>(most);
  return std::max(kLeast, chosen / kMiB * kMiB);
}

std::size_t memory_bytes = 0;

std::string MiB(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g MiB", static_cast<double>(bytes) / static_cast<double>(kMiB));
  return text;
}

double SecondsOf(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// The CPU time of everybody since the machine started; 0 if the system does not say. What a hypervisor gave to others
// ("steal") is among it.
double BusySeconds() {
  std::ifstream file("/proc/stat");
  std::string name;
  double ticks[8] = {};  // user, nice, system, idle, iowait, irq, softirq, steal
  file >> name;
  for (double &count : ticks) file >> count;
  if (!file) return 0;
  static const double per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  return (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7]) / per_second;
}

Usage total;

}  // namespace

std::size_t L2Bytes() {
#ifdef _SC_LEVEL2_CACHE_SIZE
  return static_cast<std::size_t>(std::max(0L, sysconf(_SC_LEVEL2_CACHE_SIZE)));
#else
  return 0;
#endif
}

std::size_t MemoryBytes() {
  if (!memory_bytes) memory_bytes = ChooseMemoryBytes();
  return memory_bytes;
}

void SetMemoryBytes(std::size_t bytes) { memory_bytes = std::max(kLeast, bytes); }

std::string MemoryWords() {
  const LastLevel &caches = Caches();
  if (!caches.largest) return MiB(MemoryBytes()) + "; the size of the last-level cache is unknown";
  char times[64];
  std::snprintf(times, sizeof times, ", %.2g times the last-level cache of ",
                static_cast<double>(MemoryBytes()) / static_cast<double>(caches.largest));
  return MiB(MemoryBytes()) + times + MiB(caches.largest) +
         (caches.all > caches.largest ? " (all of them: " + MiB(caches.all) + ")" : "");
}

std::string MemoryWarning() {
  const std::size_t cache = Caches().largest;
  if (MemoryBytes() >= kBeyond * cache) return "";
  return "rows \"in memory\" touch " + MiB(MemoryBytes()) + ", less than twice the last-level cache of " + MiB(cache) +
         ": what they say is partly the cache's speed";
}

double CpuSeconds() { return SecondsOf(CLOCK_THREAD_CPUTIME_ID); }

Watch::Watch() : wall_(SecondsOf(CLOCK_MONOTONIC)), own_(SecondsOf(CLOCK_PROCESS_CPUTIME_ID)), busy_(BusySeconds()) {}

Usage Watch::Stop() const {
  Usage usage;
  usage.wall = SecondsOf(CLOCK_MONOTONIC) - wall_;
  usage.own = SecondsOf(CLOCK_PROCESS_CPUTIME_ID) - own_;
  usage.others = BusySeconds() - busy_ - usage.own;  // the system counts in hundredths: right in the sum
  total.wall += usage.wall;
  total.own += usage.own;
  total.others += usage.others;
  return usage;
}

// The same figures as in report/machine.py, which has them from the rows.
std::string BusyWarning() {
  constexpr double kLeastShare = 0.97, kMostOthers = 0.25, kJudged = 0.5;  // of a CPU; seconds
  if (total.wall < kJudged) return "";
  const double share = total.own / total.wall, others = total.others / total.wall;
  if (share >= kLeastShare && others <= kMostOthers) return "";
  double load[3] = {};
  getloadavg(load, 3);
  char text[256];
  std::snprintf(
      text, sizeof text,
      "the machine was busy: rows got %.0f%% of a CPU, others used %.1f of %ld CPUs (load average %.1f, %.1f, "
      "%.1f)",
      100 * std::min(1.0, share), std::max(0.0, others), sysconf(_SC_NPROCESSORS_ONLN), load[0], load[1], load[2]);
  return text;
}
