// The parts of the table that hold rows against others of vloss: what other inputs cost, and another class axis.
#include <algorithm>
#include <cstdio>

#include "comparison.h"
#include "executors.h"
#include "plain_isas.h"
#include "table.h"

// How many times as long as the ordinary row a row takes for an item.
void Table::PrintTimes(const std::string &row, const std::string &ordinary, bool agree) const {
  const Median *median = Find(row), *beside = Find(ordinary);
  const double times = median && beside ? beside->items / median->items : 0;
  if (!agree)
    std::printf("%8s", "NO");
  else if (times > 0)
    std::printf("%8.*f", times < 9.995 ? 2 : 1, times);
  else
    std::printf("%8s", "-");
}

void Table::PrintInputs() const {
  std::printf(
      "\nOther inputs, in L2: how many times as long as ordinary inputs take. confident: one class 40 to 106 nats "
      "ahead,\n"
      "logits near +-48 and +-95, probabilities near 0 and 1; denormal: operands below 2^-126. plain: of the best "
      "ISA\n");
  std::vector<std::string> variants = SupportedIsas();
  variants.push_back(PlainName(PlainIsas().front()));
  std::printf("%-44s", "");
  for (const Inputs inputs : kAwkward)
    std::printf(" |  %-*s", 8 * static_cast<int>(variants.size()) - 2, NameOf(inputs));
  std::printf("\n%-36s%8s", "", "classes");
  for (std::size_t i = 0; i < std::size(kAwkward); i++) {
    std::printf(" |");
    for (const std::string &variant : variants)
      std::printf("%8s", PlainIsa(variant).empty() ? variant.c_str() : "plain");
  }
  std::printf("\n");
  for (const auto *some : {&functions, &losses})
    for (const Function &function : *some)
      for (const Size &ordinary : AwkwardSizesOf(function, plan_, Inputs::kOrdinary)) {
        if (!Any("inputs/confident/" + function.name) && !Any("inputs/denormal/" + function.name)) continue;
        std::printf("  %-34s%8s", function.name.c_str(),
                    IsElementwise(function) ? "" : std::to_string(ordinary.classes).c_str());
        for (const Inputs inputs : kAwkward) {
          Size size = ordinary;
          size.inputs = inputs;
          std::printf(" |");
          for (const std::string &variant : variants)
            PrintTimes(RowName(function, variant, size), RowName(function, variant, ordinary),
                       AgreementOf(function, size).error.empty());
        }
        std::printf("\n");
      }
}

void Table::PrintInner() const {
  std::printf(
      "\nA class axis that is not last, 1,000 classes: how many times as long as with inner 1 an element takes\n");
  bool first = true;
  for (const auto *some : {&functions, &losses})
    for (const Function &function : *some) {
      const std::vector<Size> sizes = InnerSizesOf(function);
      if (sizes.empty()) continue;
      if (first) {
        std::printf("%-45s", "");
        for (std::size_t i = 1; i < sizes.size(); i++)
          std::printf("%8s", ((i == 1 ? "inner " : "") + std::to_string(sizes[i].inner)).c_str());
        std::printf("\n");
      }
      first = false;
      for (const std::string &isa : SupportedIsas()) {
        std::printf("  %-35s%-8s", function.name.c_str(), isa.c_str());
        for (std::size_t i = 1; i < sizes.size(); i++)
          PrintTimes(RowName(function, isa, sizes[i]), RowName(function, isa, sizes.front()),
                     AgreementOf(function, sizes[i]).error.empty());
        std::printf("\n");
      }
    }
}

// Of every type that has run: the speed, how many times that of f32, and that of the type's plain loop.
void Table::PrintTypes() const {
  bool first = true;
  for (const auto *some : {&functions, &losses})
    for (const Function &function : *some) {
      std::vector<std::vector<Size>> of_types;
      for (const vloss_type type : kTypes) of_types.push_back(TypedSizesOf(function, plan_, type));
      const std::vector<Size> sizes = TypedSizesOf(function, plan_, VLOSS_F32);
      for (std::size_t i = 0; i < sizes.size(); i++) {
        std::vector<Size> typed;
        for (const std::vector<Size> &of : of_types) typed.push_back(of[i]);
        const auto ran = [&](const Size &size) { return Ran(function, size); };
        if (std::none_of(typed.begin(), typed.end(), ran)) continue;
        if (first) {
          std::printf(
              "\nOther types: 1e9 elements a second, times f32 of the same ISA, times the plain loop of the type and "
              "ISA\n%-44s",
              "");
          for (const vloss_type type : kTypes) std::printf(" | %-20s", NameOf(type));
          std::printf("\n");
        }
        first = false;
        PrintTypesLine(function, sizes[i], typed);
      }
    }
}

void Table::PrintTypesLine(const Function &function, const Size &size, const std::vector<Size> &typed) const {
  for (const std::string &isa : TypedIsasOf(size, plan_)) {
    std::printf("  %-33s%-7s%s", function.name.c_str(), isa.c_str(), size.memory ? "mem" : "L2 ");
    const Median *single = Find(RowName(function, isa, size));
    for (const Size &of : typed) {
      const Median *median = Find(RowName(function, isa, of)), *plain = Find(RowName(function, PlainName(isa), of));
      const auto times = [&](const Median *beside) {
        beside ? std::printf("%6.2fx", median->items / beside->items) : std::printf("%7s", "-");
      };
      std::printf(" |");
      if (!AgreementOf(function, of).error.empty()) {
        std::printf("%21s", "NO");
      } else if (!median) {
        std::printf("%21s", "-");
      } else {
        std::printf("%7.2f", median->items / 1e9);
        times(single);
        times(plain);
      }
    }
    std::printf("\n");
  }
}

// A line for each function and number of classes, two columns for each number of threads; only what has run.
void Table::PrintThreads() const {
  const std::string &isa = SupportedIsas().front();
  std::printf(
      "\nThreads, %s: how many times as fast as one, by the clock, on those of %s. In L2 each has as much to do\n",
      isa.c_str(), kExecutorName);
  std::printf("%-36s%8s", "", "classes");
  for (const std::size_t n : threads_) std::printf(" |%3zu, L2  memory", n);
  std::printf("\n");
  for (const auto *some : {&functions, &losses})
    for (const Function &function : *some) {
      const std::vector<Size> sizes = SizesOf(function, plan_);
      const bool has_classes = !IsElementwise(function);
      for (std::size_t first = 0, end = 0; first < sizes.size(); first = end) {
        while (end < sizes.size() && (!has_classes || sizes[end].classes == sizes[first].classes)) end++;
        PrintThreadsLine(function, sizes, first, end);
      }
    }
}

// Of the sizes [first, end): one in L2, one in memory, or both.
void Table::PrintThreadsLine(const Function &function, const std::vector<Size> &sizes, std::size_t first,
                             std::size_t end) const {
  struct Cell {
    std::string row, alone;
    bool agree;
  };
  std::vector<Cell> cells;
  for (const std::size_t n : threads_) {
    const std::vector<Size> shared = ThreadSizesOf(function, plan_, n);  // in the order of sizes
    for (const bool memory : {false, true}) {
      std::size_t i = first;
      while (i < end && sizes[i].memory != memory) i++;
      if (i == end) {
        cells.push_back({"", "", true});
        continue;
      }
      const std::string &isa = SupportedIsas().front();
      cells.push_back({RowName(function, isa, shared[i]), RowName(function, isa, sizes[i]),
                       AgreementOf(function, shared[i]).error.empty()});
    }
  }
  if (std::none_of(cells.begin(), cells.end(), [&](const Cell &cell) { return Find(cell.row) || !cell.agree; })) return;
  std::printf("  %-34s%8s", function.name.c_str(),
              IsElementwise(function) ? "" : std::to_string(sizes[first].classes).c_str());
  for (std::size_t i = 0; i < cells.size(); i++) {
    if (i % 2 == 0) std::printf(" |");
    PrintTimes(cells[i].alone, cells[i].row, cells[i].agree);
  }
  std::printf("\n");
}
