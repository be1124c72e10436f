/* The peers: other libraries that compute what vloss computes, asked for it in this process, on one thread. One file
 * each, with a table from the bench's names to the peer's functions; built in if the library was found. */
#ifndef VLOSS_BENCH_PEERS_H
#define VLOSS_BENCH_PEERS_H

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "../problem.h"

struct PeerCall {
  std::function<void()> run;         // what is timed; throws std::exception where the peer reports an error
  std::function<void()> fetch = {};  // copies the results of run into the problem's arrays, if the peer keeps its own
};

struct Peer {
  std::string name;  // as in the names of the rows
  std::string version;
  std::string asked;  // what it was asked to do, for a person
  // By the name of a function of the bench. The problem's arrays outlive the call; what is not timed is done here.
  std::map<std::string, std::function<PeerCall(const problem &)>> functions;
  std::set<vloss_type> types = {};  // it takes beside f32
};

// The arrays of a problem in f32.
inline const float *Floats(const void *array) { return static_cast<const float *>(array); }
inline float *Floats(void *array) { return static_cast<float *>(array); }

// Those built in, ready to run. With the first call the heap changes as kPeerHeap says.
const std::vector<Peer> &Peers();
constexpr char kPeerHeap[] = "kept between calls, on huge pages: it favours those that allocate their results";

Peer Torch();
Peer OneDnn();
Peer Xnnpack();
Peer OnnxRuntime();
Peer Ggml();
Peer Sleef();
Peer Libmvec();

#endif
