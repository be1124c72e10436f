/* vloss for C++17 and later: calls whose arrays know their types and lengths, exceptions in place of statuses, and
 * threads of std::thread. Header only, on top of vloss.h, which documents what everything means: a call here is its
 * argument struct, filled in by members of the names of its fields, and run() is the function.
 *
 *   std::vector<float> logits(512 * 1000), grad(logits.size());
 *   std::vector<std::int64_t> labels(512);
 *   float loss;
 *   vloss::cross_entropy(vloss::tensor(logits, 512, 1000)).labels(labels).loss(loss).grad({grad, 512, 1000}).run();
 *
 * Arrays have to live until run() returns; nothing is copied. A wrong length is std::invalid_argument, whatever vloss
 * refuses is vloss::error; either way nothing has been written. Objects of these classes may be run again.
 */
#ifndef VLOSS_VLOSS_HPP
#define VLOSS_VLOSS_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "vloss/vloss.h"

namespace vloss {

// ---- Errors -------------------------------------------------------------------------------------------------------

class error : public std::runtime_error {
 public:
  explicit error(vloss_status status) : std::runtime_error(vloss_status_message(status)), status_(status) {}
  vloss_status status() const noexcept { return status_; }

 private:
  vloss_status status_;
};

inline void require(vloss_status status) {
  if (status != VLOSS_OK) throw error(status);
}

// ---- Types and arrays ---------------------------------------------------------------------------------------------

// Elements of 16 bits, as they lie in memory.
struct bf16 {
  std::uint16_t bits;
};
struct f16 {
  std::uint16_t bits;
};

namespace detail {

template <class T>
struct element;  // float, double, bf16 and f16
template <>
struct element<float> {
  static constexpr vloss_type type = VLOSS_F32;
  using number = float;
};
template <>
struct element<double> {
  static constexpr vloss_type type = VLOSS_F64;
  using number = double;
};
template <>
struct element<bf16> {
  static constexpr vloss_type type = VLOSS_BF16;
  using number = float;
};
template <>
struct element<f16> {
  static constexpr vloss_type type = VLOSS_F16;
  using number = float;
};

template <class I>
constexpr vloss_label_type label_type() {
  using integer = std::remove_const_t<I>;
  static_assert(
      std::is_integral_v<integer> && std::is_signed_v<integer> && (sizeof(integer) == 4 || sizeof(integer) == 8),
      "labels are signed integers of 32 or 64 bits");
  return sizeof(integer) == 4 ? VLOSS_I32 : VLOSS_I64;
}

inline void expect(const char *what, std::size_t length, std::size_t expected) {
  if (length != expected)
    throw std::invalid_argument(std::string("vloss: ") + what + " has " + std::to_string(length) + " elements, not " +
                                std::to_string(expected));
}

}  // namespace detail

// What has one value a class, a row or a call: float, or double beside doubles.
template <class T>
using number = typename detail::element<std::remove_const_t<T>>::number;

// Elements side by side: of anything with data() and size(), of an array, of a pointer and a length, or one number.
template <class T>
class view {
 public:
  constexpr view(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  constexpr view(T &one) noexcept : data_(&one), size_(1) {}
  template <class Container,
            class = std::enable_if_t<std::is_convertible_v<decltype(std::data(std::declval<Container &>())), T *>>>
  constexpr view(Container &&c) : data_(std::data(c)), size_(std::size(c)) {}
  constexpr T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }

 private:
  T *data_;
  std::size_t size_;
};

// Rows of classes, as in vloss.h: stride elements from one row to the next, 0 for dense ones; `inner` axes behind the
// classes. T is float, double, bf16 or f16, const for what is only read.
template <class T>
class tensor {
 public:
  tensor(view<T> elements, std::size_t rows, std::size_t classes, std::size_t inner = 1, std::size_t stride = 0)
      : data_(elements.data()), rows_(rows), classes_(classes), inner_(inner), stride_(stride) {
    const std::size_t width = classes * inner, apart = stride ? stride : width;
    const std::size_t least = rows && width ? (rows - 1) * apart + width : 0;
    if (elements.size() < least || (!stride && elements.size() != least))
      detail::expect("a tensor", elements.size(), least);
  }
  // A shape alone.
  tensor(std::size_t rows, std::size_t classes, std::size_t inner) noexcept
      : data_(nullptr), rows_(rows), classes_(classes), inner_(inner), stride_(0) {}
  template <class U, class = std::enable_if_t<std::is_convertible_v<U *, T *>>>
  tensor(const tensor<U> &other)
      : data_(other.data()),
        rows_(other.rows()),
        classes_(other.classes()),
        inner_(other.inner()),
        stride_(other.stride()) {}
  T *data() const noexcept { return data_; }
  std::size_t rows() const noexcept { return rows_; }
  std::size_t classes() const noexcept { return classes_; }
  std::size_t inner() const noexcept { return inner_; }
  std::size_t stride() const noexcept { return stride_; }

 private:
  T *data_;
  std::size_t rows_, classes_, inner_, stride_;
};
template <class Container>
tensor(Container &&, std::size_t, std::size_t, std::size_t = 1, std::size_t = 0)
    -> tensor<std::remove_pointer_t<decltype(std::data(std::declval<Container &>()))>>;

// ---- Threads ------------------------------------------------------------------------------------------------------

// An executor that starts threads for every call: so many at a time, the calling one among them. Engines with a pool
// lend that instead (vloss_executor).
class threads {
 public:
  explicit threads(std::size_t count) : executor_{this, count ? count : 1, run} {}
  threads(const threads &) = delete;
  threads &operator=(const threads &) = delete;
  operator const vloss_executor &() const noexcept { return executor_; }

 private:
  static void run(void *context, std::size_t count, vloss_task *task, void *argument) {
    const std::size_t most = static_cast<const threads *>(context)->executor_.threads;
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
      for (std::size_t i; (i = next.fetch_add(1)) < count;) task(argument, i);
    };
    std::vector<std::thread> others;
    try {
      while (others.size() + 1 < most && others.size() + 1 < count) others.emplace_back(work);
    } catch (const std::exception &) {  // no more threads, or no memory: those that are there do it all
    }
    work();
    for (std::thread &other : others) other.join();
  }
  vloss_executor executor_;
};

// ---- Calls --------------------------------------------------------------------------------------------------------

namespace detail {

template <class T, class U>
void expect_shape(const char *what, const tensor<T> &t, const tensor<U> &of) {
  if (t.rows() == of.rows() && t.classes() == of.classes() && t.inner() == of.inner()) return;
  const auto words = [](const auto &x) {
    return std::to_string(x.rows()) + " x " + std::to_string(x.classes()) + " x " + std::to_string(x.inner());
  };
  throw std::invalid_argument(std::string("vloss: ") + what + " is " + words(t) + ", not " + words(of));
}

// What all calls share: the struct, and how its arrays are given. Call is the class that it is a part of.
template <class Call, class Args>
class call {
 public:
  Call &executor(const vloss_executor &executor) { return set(args_.executor, &executor); }
  // The struct itself, for what has no member here.
  Args &args() noexcept { return args_; }
  const Args &args() const noexcept { return args_; }

 protected:
  Call &self() { return static_cast<Call &>(*this); }
  template <class Field, class Value>
  Call &set(Field &field, Value value) {
    field = static_cast<Field>(value);
    return self();
  }
  template <class Field, class T>
  Call &array(const char *what, Field &field, view<T> v, std::size_t expected) {
    expect(what, v.size(), expected);
    return set(field, v.data());
  }
  template <class Field, class T>
  Call &matrix(const char *what, Field &field, std::size_t &stride, const tensor<T> &t) {
    expect_shape(what, t, tensor<char>(args_.rows, classes_of(args_), args_.inner));
    stride = t.stride();
    return set(field, t.data());
  }
  template <class T>
  void shape(const tensor<T> &t) {
    args_.rows = t.rows();
    classes_of(args_) = t.classes();
    args_.inner = t.inner();
  }
  std::size_t row_count() const { return args_.rows * (args_.inner ? args_.inner : 1); }

  Args args_{};

 private:
  template <class A>
  static std::size_t &classes_of(A &args) {
    if constexpr (std::is_same_v<A, vloss_loss_args>)
      return args.columns;
    else
      return args.classes;
  }
};

}  // namespace detail

// vloss_cross_entropy; nll() in place of run() is vloss_nll.
template <class T>
class cross_entropy : public detail::call<cross_entropy<T>, vloss_cross_entropy_args> {
  using base = detail::call<cross_entropy<T>, vloss_cross_entropy_args>;
  using base::args_;

 public:
  using value = number<T>;
  explicit cross_entropy(tensor<const T> logits) {
    this->shape(logits);
    args_.logits = logits.data();
    args_.logits_stride = logits.stride();
    args_.type = detail::element<T>::type;
  }
  template <class Labels>
  cross_entropy &labels(const Labels &labels) {
    args_.label_type = detail::label_type<std::remove_pointer_t<decltype(std::data(labels))>>();
    detail::expect("labels", std::size(labels), this->row_count());
    return this->set(args_.labels, std::data(labels));
  }
  cross_entropy &targets(tensor<const T> t) { return this->matrix("targets", args_.targets, args_.targets_stride, t); }
  cross_entropy &ignore(std::int64_t index) {
    return args_.ignore = VLOSS_IGNORE_INDEX, this->set(args_.ignore_index, index);
  }
  cross_entropy &ignore_nothing() { return this->set(args_.ignore, VLOSS_IGNORE_NOTHING); }
  cross_entropy &weights(view<const value> w) { return this->array("weights", args_.weights, w, args_.classes); }
  cross_entropy &label_smoothing(double e) { return this->set(args_.label_smoothing, e); }
  cross_entropy &reduction(vloss_reduction r) { return this->set(args_.reduction, r); }
  cross_entropy &flags(std::uint32_t flags) { return this->set(args_.flags, flags); }
  cross_entropy &scale(double scale) { return this->set(args_.scale, scale); }
  cross_entropy &softcap(double cap) { return this->set(args_.softcap, cap); }
  cross_entropy &z_loss(double z) { return this->set(args_.z_loss, z); }
  cross_entropy &row_weights(view<const value> w) {
    return this->array("row_weights", args_.row_weights, w, this->row_count());
  }
  cross_entropy &shift(std::size_t by, std::size_t sequence = 0) {
    return args_.sequence = sequence, this->set(args_.shift, by);
  }
  // One number, or with VLOSS_NONE one a row: run() knows.
  cross_entropy &upstream(view<const value> h) { return upstreams_ = h.size(), this->set(args_.upstream, h.data()); }
  cross_entropy &loss(view<value> l) { return losses_ = l.size(), this->set(args_.loss, l.data()); }
  cross_entropy &z_loss_part(view<value> l) { return z_losses_ = l.size(), this->set(args_.z_loss_part, l.data()); }
  cross_entropy &grad(tensor<T> g) { return this->matrix("grad", args_.grad, args_.grad_stride, g); }
  cross_entropy &grad_targets(tensor<T> g) {
    return this->matrix("grad_targets", args_.grad_targets, args_.grad_targets_stride, g);
  }
  cross_entropy &lse(view<value> v) { return this->array("lse", args_.lse, v, this->row_count()); }
  cross_entropy &max(view<value> v) { return this->array("max", args_.max, v, this->row_count()); }
  cross_entropy &log_sum(view<value> v) { return this->array("log_sum", args_.log_sum, v, this->row_count()); }
  cross_entropy &correct(view<std::int32_t> v) { return this->array("correct", args_.correct, v, this->row_count()); }
  // After labels, of whose type it is.
  template <class Labels>
  cross_entropy &predicted(Labels &p) {
    if (detail::label_type<std::remove_pointer_t<decltype(std::data(p))>>() != args_.label_type)
      throw std::invalid_argument("vloss: predicted is not of the type of labels");
    detail::expect("predicted", std::size(p), this->row_count());
    return this->set(args_.predicted, std::data(p));
  }
  // The first row whose label is out of range, after an error that says so.
  std::size_t bad_row() const noexcept { return bad_row_; }

  void run() { run(vloss_cross_entropy_sized); }
  void nll() { run(vloss_nll_sized); }

 private:
  void run(vloss_status (*function)(const vloss_cross_entropy_args *, std::size_t)) {
    const std::size_t of_loss = args_.reduction == VLOSS_NONE ? this->row_count() : 1;
    if (args_.loss) detail::expect("loss", losses_, of_loss);
    if (args_.z_loss_part) detail::expect("z_loss_part", z_losses_, of_loss);
    if (args_.upstream) detail::expect("upstream", upstreams_, of_loss);
    args_.bad_row = &bad_row_;
    require(function(&args_, sizeof args_));
  }
  std::size_t losses_ = 0, z_losses_ = 0, upstreams_ = 0, bad_row_ = 0;
};
template <class T>
cross_entropy(tensor<T>) -> cross_entropy<std::remove_const_t<T>>;

// vloss_log_probs: of `per_row` ids a row, of the first `top` classes, and of rows.
template <class T>
class log_probs : public detail::call<log_probs<T>, vloss_log_probs_args> {
  using base = detail::call<log_probs<T>, vloss_log_probs_args>;
  using base::args_;

 public:
  using value = number<T>;
  explicit log_probs(tensor<const T> logits) {
    this->shape(logits);
    args_.logits = logits.data();
    args_.logits_stride = logits.stride();
    args_.type = detail::element<T>::type;
  }
  // The type of labels is that of the first of ids, ranks and top_ids that is given.
  template <class Ids>
  log_probs &ids(const Ids &ids, std::size_t per_row = 1) {
    args_.ids_per_row = per_row;
    return integers("ids", args_.ids, ids, per_row);
  }
  log_probs &ignore(std::int64_t index) {
    return args_.ignore = VLOSS_IGNORE_INDEX, this->set(args_.ignore_index, index);
  }
  log_probs &ignore_nothing() { return this->set(args_.ignore, VLOSS_IGNORE_NOTHING); }
  log_probs &flags(std::uint32_t flags) { return this->set(args_.flags, flags); }
  log_probs &scale(double scale) { return this->set(args_.scale, scale); }
  log_probs &softcap(double cap) { return this->set(args_.softcap, cap); }
  log_probs &logprob(view<value> v) { return of_ids("logprob", args_.logprob, v); }
  template <class Ranks>
  log_probs &rank(Ranks &ranks) {
    return integers("rank", args_.rank, ranks, args_.ids_per_row);
  }
  log_probs &top(std::size_t count) { return this->set(args_.top, count); }
  template <class Ids>
  log_probs &top_id(Ids &ids) {
    return integers("top_id", args_.top_id, ids, args_.top);
  }
  log_probs &top_logprob(view<value> v) {
    return this->array("top_logprob", args_.top_logprob, v, this->row_count() * args_.top);
  }
  log_probs &max(view<value> v) { return this->array("max", args_.max, v, this->row_count()); }
  log_probs &log_sum(view<value> v) { return this->array("log_sum", args_.log_sum, v, this->row_count()); }
  log_probs &lse(view<value> v) { return this->array("lse", args_.lse, v, this->row_count()); }
  log_probs &entropy(view<value> v) { return this->array("entropy", args_.entropy, v, this->row_count()); }
  log_probs &upstream(view<const value> v) { return of_ids("upstream", args_.upstream, v); }
  log_probs &entropy_upstream(view<const value> v) {
    return this->array("entropy_upstream", args_.entropy_upstream, v, this->row_count());
  }
  log_probs &lse_upstream(view<const value> v) {
    return this->array("lse_upstream", args_.lse_upstream, v, this->row_count());
  }
  log_probs &grad(tensor<T> g) { return this->matrix("grad", args_.grad, args_.grad_stride, g); }
  std::size_t bad_row() const noexcept { return bad_row_; }

  void run() {
    args_.bad_row = &bad_row_;
    require(vloss_log_probs(&args_));
  }

 private:
  template <class Field, class V>
  log_probs &of_ids(const char *what, Field &field, V v) {
    return this->array(what, field, v, this->row_count() * args_.ids_per_row);
  }
  template <class Field, class Integers>
  log_probs &integers(const char *what, Field &field, Integers &values, std::size_t per_row) {
    const vloss_label_type type = detail::label_type<std::remove_pointer_t<decltype(std::data(values))>>();
    if (typed_ && type != args_.label_type)
      throw std::invalid_argument(std::string("vloss: ") + what + " is not of the type of the other labels");
    detail::expect(what, std::size(values), this->row_count() * per_row);
    typed_ = true;
    args_.label_type = type;
    return this->set(field, std::data(values));
  }
  bool typed_ = false;
  std::size_t bad_row_ = 0;
};
template <class T>
log_probs(tensor<T>) -> log_probs<std::remove_const_t<T>>;

// vloss_divergence, of the student's rows from the teacher's.
template <class T, class Teacher = T>
class divergence : public detail::call<divergence<T, Teacher>, vloss_divergence_args> {
  using base = detail::call<divergence<T, Teacher>, vloss_divergence_args>;
  using base::args_;

 public:
  using value = number<T>;
  divergence(vloss_divergence_kind kind, tensor<const T> student, tensor<const Teacher> teacher) {
    this->shape(student);
    args_.kind = kind;
    args_.student_type = detail::element<T>::type;
    args_.teacher_type = detail::element<Teacher>::type;
    args_.student = student.data();
    args_.student_stride = student.stride();
    this->matrix("teacher", args_.teacher, args_.teacher_stride, teacher);
  }
  divergence &scale(double scale) { return this->set(args_.scale, scale); }
  divergence &beta(double beta) { return this->set(args_.beta, beta); }
  divergence &reduction(vloss_reduction r) { return this->set(args_.reduction, r); }
  divergence &upstream(view<const value> h) { return upstreams_ = h.size(), this->set(args_.upstream, h.data()); }
  divergence &loss(view<value> l) { return losses_ = l.size(), this->set(args_.loss, l.data()); }
  divergence &same_top(view<std::int32_t> v) { return this->array("same_top", args_.same_top, v, this->row_count()); }
  divergence &grad(tensor<T> g) { return this->matrix("grad", args_.grad, args_.grad_stride, g); }

  void run() {
    const std::size_t of_loss = args_.reduction == VLOSS_NONE ? this->row_count() : 1;
    if (args_.loss) detail::expect("loss", losses_, of_loss);
    if (args_.upstream) detail::expect("upstream", upstreams_, of_loss);
    require(vloss_divergence(&args_));
  }

 private:
  std::size_t losses_ = 0, upstreams_ = 0;
};
template <class T, class Teacher>
divergence(vloss_divergence_kind, tensor<T>, tensor<Teacher>)
    -> divergence<std::remove_const_t<T>, std::remove_const_t<Teacher>>;

// vloss_loss, of any kind; args() has the fields for what spreads over rows or columns.
template <class T>
class loss : public detail::call<loss<T>, vloss_loss_args> {
  using base = detail::call<loss<T>, vloss_loss_args>;
  using base::args_;

 public:
  using value = number<T>;
  loss(vloss_loss_kind kind, tensor<const T> prediction) {
    this->shape(prediction);
    args_.kind = kind;
    args_.type = detail::element<T>::type;
    args_.prediction = prediction.data();
    args_.prediction_stride = prediction.stride();
  }
  loss &target(tensor<const T> t) { return this->matrix("target", args_.target, args_.target_stride, t); }
  loss &other(tensor<const T> t) { return this->matrix("other", args_.other, args_.other_stride, t); }
  loss &weights(tensor<const T> t) { return this->matrix("weights", args_.weights, args_.weights_stride, t); }
  template <class Labels>
  loss &labels(const Labels &labels) {
    args_.label_type = detail::label_type<std::remove_pointer_t<decltype(std::data(labels))>>();
    const bool lists = args_.kind == VLOSS_MULTILABEL_MARGIN;
    detail::expect("labels", std::size(labels), this->row_count() * (lists ? args_.columns : 1));
    return this->set(args_.labels, std::data(labels));
  }
  // In the order of vloss.h; those that are left out have their defaults.
  loss &parameters(std::initializer_list<double> values) {
    parameters_ = values;
    args_.parameter_count = parameters_.size();
    return *this;
  }
  loss &reduction(vloss_reduction r) { return this->set(args_.reduction, r); }
  loss &flags(std::uint32_t flags) { return this->set(args_.flags, flags); }
  loss &upstream(view<const value> h) { return upstreams_ = h.size(), this->set(args_.upstream, h.data()); }
  loss &losses(view<value> l) { return losses_ = l.size(), this->set(args_.loss, l.data()); }
  loss &grad(tensor<T> g) { return this->matrix("grad", args_.grad, args_.grad_stride, g); }
  loss &grad_target(tensor<T> g) { return this->matrix("grad_target", args_.grad_target, args_.grad_target_stride, g); }
  loss &grad_other(tensor<T> g) { return this->matrix("grad_other", args_.grad_other, args_.grad_other_stride, g); }
  // What an error is about: a row, an element, or a parameter (bad_index in vloss.h).
  std::size_t bad_index() const noexcept { return bad_index_; }

  void run() {
    const vloss_loss_info *const info = vloss_loss_info_of(args_.kind);
    const bool none = args_.reduction == VLOSS_NONE, elements = none && info && info->family == VLOSS_ELEMENTWISE;
    const std::size_t of_loss = elements                                      ? this->row_count() * args_.columns
                                : none || args_.reduction == VLOSS_KERAS_NONE ? this->row_count()
                                                                              : 1;
    if (args_.loss) detail::expect("losses", losses_, of_loss);
    if (args_.upstream) detail::expect("upstream", upstreams_, of_loss);
    args_.parameters = parameters_.empty() ? nullptr : parameters_.data();
    args_.bad_index = &bad_index_;
    require(vloss_loss(&args_));
  }

 private:
  std::vector<double> parameters_;
  std::size_t losses_ = 0, upstreams_ = 0, bad_index_ = 0;
};
template <class T>
loss(vloss_loss_kind, tensor<T>) -> loss<std::remove_const_t<T>>;

// ---- Softmax and its kin ------------------------------------------------------------------------------------------

namespace detail {

template <class T>
vloss_softmax_args softmax_args(const tensor<T> &input, void *output, const vloss_executor *executor) {
  vloss_softmax_args args{};
  args.rows = input.rows();
  args.classes = input.classes();
  args.inner = input.inner();
  args.input = input.data();
  args.input_stride = input.stride();
  args.type = element<std::remove_const_t<T>>::type;
  args.output = output;
  args.executor = executor;
  return args;
}
template <class T>
void into_tensor(vloss_status (*function)(const vloss_softmax_args *, std::size_t), const tensor<const T> &input,
                 const tensor<const T> *upstream, const tensor<T> &output, const vloss_executor *executor) {
  vloss_softmax_args args = softmax_args(input, output.data(), executor);
  expect_shape("output", output, input);
  args.output_stride = output.stride();
  if (upstream) {
    expect_shape("upstream", *upstream, input);
    args.upstream = upstream->data();
    args.upstream_stride = upstream->stride();
  }
  require(function(&args, sizeof args));
}
}  // namespace detail

// The output may be the input itself, or the upstream.
template <class T>
void softmax(tensor<T> input, tensor<std::remove_const_t<T>> output, const vloss_executor *executor = nullptr) {
  detail::into_tensor<std::remove_const_t<T>>(vloss_softmax_sized, input, nullptr, output, executor);
}
template <class T>
void log_softmax(tensor<T> input, tensor<std::remove_const_t<T>> output, const vloss_executor *executor = nullptr) {
  detail::into_tensor<std::remove_const_t<T>>(vloss_log_softmax_sized, input, nullptr, output, executor);
}
template <class T>
void softmax_backward(tensor<T> softmax, tensor<const std::remove_const_t<T>> upstream,
                      tensor<std::remove_const_t<T>> output, const vloss_executor *executor = nullptr) {
  detail::into_tensor<std::remove_const_t<T>>(vloss_softmax_backward_sized, softmax, &upstream, output, executor);
}
template <class T>
void log_softmax_backward(tensor<T> log_softmax, tensor<const std::remove_const_t<T>> upstream,
                          tensor<std::remove_const_t<T>> output, const vloss_executor *executor = nullptr) {
  detail::into_tensor<std::remove_const_t<T>>(vloss_log_softmax_backward_sized, log_softmax, &upstream, output,
                                              executor);
}
template <class T>
void log_sum_exp(tensor<T> input, view<number<T>> output, const vloss_executor *executor = nullptr) {
  detail::expect("output", output.size(), input.rows() * input.inner());
  const vloss_softmax_args args = detail::softmax_args(input, output.data(), executor);
  require(vloss_log_sum_exp(&args));
}

}  // namespace vloss

#endif
