// ggml's CPU backend, as npm's package of node-llama-cpp has it: one library for each kind of CPU, the best of which is
// chosen here as ggml does. Its headers are not in the package; what is declared here are functions of its C interface,
// and of the plan of a graph, which is returned by value, the two fields that this needs, with room for the rest.
#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include "peers.h"

extern "C" {
struct ggml_context;
struct ggml_tensor;
struct ggml_cgraph;
struct ggml_init_params {
  std::size_t mem_size;
  void *mem_buffer;
  bool no_alloc;
};
ggml_context *ggml_init(ggml_init_params params);
void ggml_free(ggml_context *context);
ggml_tensor *ggml_new_tensor_2d(ggml_context *context, int type, std::int64_t columns, std::int64_t rows);
void *ggml_get_data(const ggml_tensor *tensor);
ggml_tensor *ggml_soft_max(ggml_context *context, ggml_tensor *logits);
ggml_tensor *ggml_cross_entropy_loss(ggml_context *context, ggml_tensor *logits, ggml_tensor *targets);
ggml_cgraph *ggml_new_graph(ggml_context *context);
void ggml_build_forward_expand(ggml_cgraph *graph, ggml_tensor *result);
const char *ggml_version(void);
}

namespace {

constexpr int kFloat = 0;  // GGML_TYPE_F32
constexpr std::size_t kOverhead = std::size_t{1} << 20;

struct Plan {
  std::size_t work_size;
  std::uint8_t *work_data;
  char rest[240];
};

struct Backend {
  std::string name;
  Plan (*plan)(const ggml_cgraph *graph, int threads, void *pool);
  int (*compute)(ggml_cgraph *graph, Plan *plan);
};
Backend BestBackend() {
  Backend best{};
  int best_score = 0;
  for (const auto &file : std::filesystem::directory_iterator(BENCH_GGML_FOLDER)) {
    const std::string name = file.path().filename();
    if (name.rfind("libggml-cpu-", 0) != 0) continue;
    void *const library = dlopen(file.path().c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) continue;
    const auto score = reinterpret_cast<int (*)()>(dlsym(library, "ggml_backend_score"));
    if (!score || score() <= best_score) continue;
    best_score = score();
    best.name = name.substr(12, name.rfind('.') - 12);
    best.plan = reinterpret_cast<decltype(best.plan)>(dlsym(library, "ggml_graph_plan"));
    best.compute = reinterpret_cast<decltype(best.compute)>(dlsym(library, "ggml_graph_compute"));
    if (const auto init = reinterpret_cast<void (*)()>(dlsym(library, "ggml_cpu_init"))) init();
  }
  if (!best.plan || !best.compute) throw std::runtime_error("ggml has no CPU backend for this machine");
  return best;
}
const Backend &TheBackend() {
  static const Backend backend = BestBackend();
  return backend;
}

// A graph of one result, and all that it needs, in memory of its own.
struct Graph {
  std::unique_ptr<ggml_context, void (*)(ggml_context *)> context;
  ggml_tensor *result = nullptr;
  ggml_cgraph *graph = nullptr;
  std::vector<std::uint8_t> work;
  Plan plan{};

  explicit Graph(std::size_t bytes) : context(ggml_init({bytes + kOverhead, nullptr, false}), ggml_free) {
    if (!context) throw std::bad_alloc();
  }
  ggml_tensor *Matrix(const problem &p) {
    return ggml_new_tensor_2d(context.get(), kFloat, static_cast<std::int64_t>(p.classes),
                              static_cast<std::int64_t>(p.rows));
  }
  void Finish(ggml_tensor *of) {
    result = of;
    graph = ggml_new_graph(context.get());
    ggml_build_forward_expand(graph, result);
    plan = TheBackend().plan(graph, 1, nullptr);
    work.resize(plan.work_size);
    plan.work_data = work.data();
  }
  void Run() {
    if (TheBackend().compute(graph, &plan) != 0) throw std::runtime_error("ggml could not compute a graph");
  }
};

std::size_t BytesOf(const problem &p) { return p.rows * p.classes * sizeof(float); }

PeerCall Softmax(const problem &p) {
  const auto graph = std::make_shared<Graph>(2 * BytesOf(p));
  ggml_tensor *const logits = graph->Matrix(p);
  std::memcpy(ggml_get_data(logits), p.input, BytesOf(p));
  graph->Finish(ggml_soft_max(graph->context.get(), logits));
  return {[graph] { graph->Run(); }, [graph, p] { std::memcpy(p.matrix, ggml_get_data(graph->result), BytesOf(p)); }};
}

PeerCall CrossEntropy(const problem &p) {
  const auto graph = std::make_shared<Graph>(2 * BytesOf(p));
  ggml_tensor *const logits = graph->Matrix(p), *const targets = graph->Matrix(p);
  std::memcpy(ggml_get_data(logits), p.input, BytesOf(p));
  float *const chosen = Floats(ggml_get_data(targets));
  std::fill(chosen, chosen + p.rows * p.classes, 0.0f);
  for (std::size_t row = 0; row < p.rows; row++) chosen[row * p.classes + static_cast<std::size_t>(p.labels[row])] = 1;
  graph->Finish(ggml_cross_entropy_loss(graph->context.get(), logits, targets));
  return {[graph] { graph->Run(); }, [graph, p] { std::memcpy(p.loss, ggml_get_data(graph->result), sizeof(float)); }};
}

}  // namespace

Peer Ggml() {
  return {"ggml",
          std::string(ggml_version()) + ", " + TheBackend().name,
          "graphs of one operation, on one thread; cross-entropy of one-hot targets, as it has no other",
          {{"softmax", Softmax}, {"cross_entropy/forward", CrossEntropy}}};
}
