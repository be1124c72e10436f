// XNNPACK: its softmax operator, created beforehand. It has no losses, and the shared library hides the kernels of
// which one could be composed.
#include <xnnpack.h>

#include <memory>
#include <stdexcept>

#include "peers.h"

namespace {

void Check(xnn_status status) {
  if (status != xnn_status_success) throw std::runtime_error("XNNPACK status " + std::to_string(status));
}

PeerCall Softmax(const problem &p) {
  xnn_operator_t created = nullptr;
  Check(xnn_create_softmax_nc_f32(p.classes, p.classes, p.classes, 0, &created));
  const std::shared_ptr<xnn_operator> op(created, xnn_delete_operator);
  Check(xnn_setup_softmax_nc_f32(created, p.rows, Floats(p.input), Floats(p.matrix), nullptr));
  return {[op] { Check(xnn_run_operator(op.get(), nullptr)); }};
}

}  // namespace

Peer Xnnpack() {
  Check(xnn_initialize(nullptr));
  return {"xnnpack", BENCH_XNNPACK_VERSION, "softmax_nc_f32, without a thread pool", {{"softmax", Softmax}}};
}
