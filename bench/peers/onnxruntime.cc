// ONNX Runtime: models of one node, which it writes into memory that is given. Its library can be had as a package, its
// header cannot, so that its functions are called by their place in its table, which its ABI keeps from version to
// version; and a model is written in protobuf's wire format, field by field.
#include <cstdint>
#include <memory>
#include <stdexcept>

#include "peers.h"

struct OrtApiBase {
  const void *const *(*table)(std::uint32_t version);
  const char *(*version)();
};
extern "C" const OrtApiBase *OrtGetApiBase(void);

namespace {

enum Place {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSessionFromArray = 8,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetIntraOpNumThreads = 24,
  kCreateTensorWithDataAsOrtValue = 49,
  kCreateCpuMemoryInfo = 69,
  kReleaseSession = 95,
  kReleaseValue = 96
};

template <class Function>
Function At(Place place) {
  static const void *const *const table = OrtGetApiBase()->table(1);  // the places above are those of all versions
  return reinterpret_cast<Function>(const_cast<void *>(table[place]));
}

// The parameters' types are those of the ABI: handles are pointers, enumerators are int.
template <class... Parameters>
void Call(Place place, Parameters... parameters) {
  if (void *status = At<void *(*)(Parameters...)>(place)(parameters...))
    throw std::runtime_error(std::string("ONNX Runtime: ") +
                             At<const char *(*)(const void *)>(kGetErrorMessage)(status));
}

using Handle = std::shared_ptr<void>;
Handle Owned(void *handle, Place release) { return {handle, At<void (*)(void *)>(release)}; }

// ---- A model of one node, in protobuf. The numbers are those of the fields in onnx.proto.

std::string Varint(std::uint64_t n) {
  std::string bytes;
  for (; n > 127; n >>= 7) bytes += static_cast<char>(n | 128);
  return bytes + static_cast<char>(n);
}
std::string Number(std::uint64_t field, std::uint64_t value) { return Varint(field << 3) + Varint(value); }
std::string Bytes(std::uint64_t field, const std::string &value) {
  return Varint(field << 3 | 2) + Varint(value.size()) + value;
}

enum ElementType { kFloat = 1, kInt64 = 7 };  // of TensorProto.DataType
using Shape = std::vector<std::int64_t>;

struct Array {
  std::string name;
  ElementType type;
  Shape shape;
  const void *data;

  std::size_t Size() const {
    std::size_t bytes = type == kFloat ? sizeof(float) : sizeof(std::int64_t);
    for (const std::int64_t n : shape) bytes *= static_cast<std::size_t>(n);
    return bytes;
  }
  std::string Declaration() const {  // ValueInfoProto
    std::string dimensions;
    for (const std::int64_t n : shape) dimensions += Bytes(1, Number(1, static_cast<std::uint64_t>(n)));
    return Bytes(1, name) + Bytes(2, Bytes(1, Number(1, type) + Bytes(2, dimensions)));
  }
};

struct Node {
  std::string operation, attributes;
};

std::string Model(const Node &node, const std::vector<Array> &inputs, const Array &output) {
  std::string declarations, names;
  for (const Array &input : inputs) {
    names += Bytes(1, input.name);
    declarations += Bytes(11, input.Declaration());
  }
  const std::string body = names + Bytes(2, output.name) + Bytes(4, node.operation) + node.attributes;
  const std::string graph = Bytes(1, body) + Bytes(2, "bench") + declarations + Bytes(12, output.Declaration());
  return Number(1, 7) + Bytes(7, graph) + Bytes(8, Number(2, 13));  // IR version 7 came with operator set 13
}

// ---- Running it

Handle Value(const Array &array) {
  static void *const memory = [] {
    void *info = nullptr;
    Call(kCreateCpuMemoryInfo, /*device allocator*/ 0, /*default memory*/ 0, &info);
    return info;
  }();
  void *value = nullptr;
  Call(kCreateTensorWithDataAsOrtValue, memory, const_cast<void *>(array.data), array.Size(), array.shape.data(),
       array.shape.size(), static_cast<int>(array.type), &value);
  return Owned(value, kReleaseValue);
}

Handle Session(const std::string &model) {
  static void *const environment = [] {
    void *env = nullptr;
    Call(kCreateEnv, /*errors only*/ 3, "vloss-bench", &env);
    return env;
  }();
  static void *const options = [] {
    void *created = nullptr;
    Call(kCreateSessionOptions, &created);
    Call(kSetIntraOpNumThreads, created, 1);
    return created;
  }();
  void *session = nullptr;
  Call(kCreateSessionFromArray, environment, model.data(), model.size(), options, &session);
  return Owned(session, kReleaseSession);
}

PeerCall Run(const Node &node, const std::vector<Array> &inputs, const Array &output) {
  const Handle session = Session(Model(node, inputs, output)), out = Value(output);
  std::vector<Handle> in;
  for (const Array &input : inputs) in.push_back(Value(input));
  return {[=] {
    std::vector<const char *> names;
    std::vector<void *> values;
    for (std::size_t i = 0; i < in.size(); i++) {
      names.push_back(inputs[i].name.c_str());
      values.push_back(in[i].get());
    }
    const char *const out_name = output.name.c_str();
    void *out_value = out.get();
    Call(kRun, session.get(), static_cast<void *>(nullptr), names.data(), values.data(), in.size(), &out_name,
         std::size_t{1}, &out_value);
  }};
}

Shape ShapeOf(const problem &p) { return {static_cast<std::int64_t>(p.rows), static_cast<std::int64_t>(p.classes)}; }
Shape PerRow(const problem &p) { return {static_cast<std::int64_t>(p.rows)}; }
Array Input(const problem &p) { return {"input", kFloat, ShapeOf(p), p.input}; }

auto Matrix(const Node &node) {
  return [=](const problem &p) { return Run(node, {Input(p)}, {"output", kFloat, ShapeOf(p), p.matrix}); };
}
auto Reduction(const Node &node) {
  return [=](const problem &p) { return Run(node, {Input(p)}, {"output", kFloat, PerRow(p), p.loss}); };
}
auto Loss(const Node &node) {
  return [=](const problem &p) {
    return Run(node, {Input(p), {"labels", kInt64, PerRow(p), p.labels}}, {"output", kFloat, {}, p.loss});
  };
}

}  // namespace

Peer OnnxRuntime() {
  constexpr int kInt = 2, kInts = 7;  // of AttributeProto.AttributeType
  const std::string axes = Bytes(5, Bytes(1, "axes") + Number(8, 1) + Number(20, kInts));
  const std::string no_keepdims = Bytes(5, Bytes(1, "keepdims") + Number(3, 0) + Number(20, kInt));
  return {"onnxruntime",
          OrtGetApiBase()->version(),
          "models of one node, such as LogSoftmax or SoftmaxCrossEntropyLoss",
          {{"softmax", Matrix({"Softmax", ""})},
           {"log_softmax", Matrix({"LogSoftmax", ""})},
           {"log_sum_exp", Reduction({"ReduceLogSumExp", axes + no_keepdims})},
           {"cross_entropy/forward", Loss({"SoftmaxCrossEntropyLoss", ""})},
           {"nll/forward", Loss({"NegativeLogLikelihoodLoss", ""})}}};
}
