// oneDNN: its softmax primitives, created beforehand. It has no losses.
#include <omp.h>
#include <dnnl.hpp>

#include "peers.h"

namespace {

dnnl::engine &Engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::memory::desc Shape(const problem &p) {
  return {{static_cast<dnnl::memory::dim>(p.rows), static_cast<dnnl::memory::dim>(p.classes)},
          p.type == VLOSS_BF16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32,
          dnnl::memory::format_tag::ab};
}

dnnl::memory Memory(const problem &p, const void *data) { return {Shape(p), Engine(), const_cast<void *>(data)}; }

PeerCall Execute(const dnnl::primitive &primitive, const std::unordered_map<int, dnnl::memory> &arguments) {
  return {[=, stream = dnnl::stream(Engine())]() mutable {
    primitive.execute(stream, arguments);
    stream.wait();
  }};
}

template <class Primitive>
typename Primitive::primitive_desc ForwardOf(const problem &p, dnnl::prop_kind kind) {
  return {{kind, Shape(p), 1}, Engine()};
}

template <class Primitive>
PeerCall Forward(const problem &p) {
  return Execute(Primitive(ForwardOf<Primitive>(p, dnnl::prop_kind::forward_inference)),
                 {{DNNL_ARG_SRC, Memory(p, p.input)}, {DNNL_ARG_DST, Memory(p, p.matrix)}});
}

template <class Primitive, class ForwardPrimitive>
PeerCall Backward(const problem &p) {
  const typename Primitive::primitive_desc description(
      {Shape(p), Shape(p), 1}, Engine(), ForwardOf<ForwardPrimitive>(p, dnnl::prop_kind::forward_training));
  return Execute(Primitive(description), {{DNNL_ARG_DST, Memory(p, p.input)},
                                          {DNNL_ARG_DIFF_DST, Memory(p, p.upstream)},
                                          {DNNL_ARG_DIFF_SRC, Memory(p, p.matrix)}});
}

}  // namespace

Peer OneDnn() {
  omp_set_num_threads(1);
  const dnnl_version_t *version = dnnl_version();
  return {"onednn",
          std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch),
          "softmax and logsoftmax primitives, forward_inference and backward",
          {{"softmax", Forward<dnnl::softmax_forward>},
           {"log_softmax", Forward<dnnl::logsoftmax_forward>},
           {"softmax_backward", Backward<dnnl::softmax_backward, dnnl::softmax_forward>},
           {"log_softmax_backward", Backward<dnnl::logsoftmax_backward, dnnl::logsoftmax_forward>}},
          {VLOSS_BF16}};
}
