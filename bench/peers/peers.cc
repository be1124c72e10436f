// See peers.h: the list of those that are built in.
#include "peers.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

namespace {

// Without this glibc maps every large result anew and gives it back, so that the system clears its pages in every call:
// 3.5 to 5 times as slow. All large blocks now come from the heap, which is never given back; its first 2 GiB, more
// than the results of any row, are on huge pages like the bench's own arrays, where the system has them.
void KeepHeap() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  constexpr std::size_t kBytes = std::size_t{2} << 30, kHuge = std::size_t{2} << 20;
  void *block = std::malloc(kBytes);
#ifdef MADV_HUGEPAGE
  const std::uintptr_t start = (reinterpret_cast<std::uintptr_t>(block) + kHuge - 1) / kHuge * kHuge;
  if (block) madvise(reinterpret_cast<void *>(start), kBytes - kHuge, MADV_HUGEPAGE);
#endif
  std::free(block);
}

}  // namespace

const std::vector<Peer> &Peers() {
  static const std::vector<Peer> peers = [] {
    const std::vector<Peer (*)()> found{BENCH_PEERS};
    if (!found.empty()) KeepHeap();
    std::vector<Peer> ready;
    for (Peer (*const prepare)() : found) ready.push_back(prepare());
    return ready;
  }();
  return peers;
}
