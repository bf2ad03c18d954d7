#include "COptimalTransport.h"

#include <lemon/network_simplex.h>

#include <cmath>
#include <exception>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include "CompleteBipartite.h"

namespace {

using boltzmill::CompleteBipartite;

std::string &lastError() {
  thread_local std::string message;
  return message;
}

struct BadArgument {
  std::string reason;
};

template <typename Body>
int guarded(Body &&body) noexcept {
  try {
    try {
      body();
      return BM_TRANSPORT_OK;
    } catch (const BadArgument &error) {
      lastError() = error.reason;
      return BM_TRANSPORT_ARGUMENT;
    } catch (const std::bad_alloc &) {
      lastError() = "not enough memory for a cost matrix of this size";
      return BM_TRANSPORT_MEMORY;
    } catch (const std::exception &error) {
      lastError() = error.what();
    } catch (...) {
      lastError() = "unknown C++ exception";
    }
  } catch (...) {  // no memory for the message either
    lastError().clear();
  }
  return BM_TRANSPORT_FAILED;
}

/// Costs in whole steps of 2^-40 of their spread: the simplex then works without rounding, and always ends.
struct WholeCosts {
  WholeCosts(const double *costs, int64_t count) : costs(costs) {
    double highest = -std::numeric_limits<double>::infinity();
    lowest = std::numeric_limits<double>::infinity();
    for (int64_t k = 0; k < count; ++k) {
      if (!std::isfinite(costs[k])) throw BadArgument{"the cost at position " + std::to_string(k) + " is not finite"};
      lowest = std::min(lowest, costs[k]);
      highest = std::max(highest, costs[k]);
    }
    const double spread = highest - lowest;
    if (!std::isfinite(spread)) throw BadArgument{"the costs span more than a double holds"};
    scale = spread > 0 ? std::ldexp(1.0, 40) / spread : 0;
    if (!std::isfinite(scale)) scale = 0;  // all costs are equal but for the last digits of the smallest numbers
  }
  int64_t operator[](CompleteBipartite::Arc arc) const { return std::llround((costs[arc.id] - lowest) * scale); }

  const double *costs;
  double lowest;
  double scale;
};

void checkSize(int64_t rows, int64_t columns) {
  if (rows < 1 || columns < 1) throw BadArgument{"an empty set has no transport"};
  // beyond this the solver would need more than 6 GB
  if (rows > (int64_t(1) << 27) / columns)
    throw BadArgument{
        std::to_string(rows) + " x " + std::to_string(columns) + " pairs are too many for exact transport; use fewer points"};
}

/// Solves for flows of type Flow and calls visit(row, column, flow) for each positive one.
template <typename Flow, typename Supply, typename Visit>
void solve(int rows, int columns, const double *costs, const Supply &supply, const Visit &visit) {
  const CompleteBipartite graph(rows, columns);
  lemon::NetworkSimplex<CompleteBipartite, Flow, int64_t> simplex(graph);
  typedef lemon::NetworkSimplex<CompleteBipartite, Flow, int64_t> Simplex;
  simplex.costMap(WholeCosts(costs, graph.arcNum())).supplyMap(supply);
  if (simplex.run() != Simplex::OPTIMAL) throw BadArgument{"supplies and demands have different sums"};
  for (int k = 0; k < graph.arcNum(); ++k) {
    const Flow flow = simplex.flow(CompleteBipartite::Arc(k));
    if (flow > 0) visit(k / columns, k % columns, flow);
  }
}

struct UnitSupply {
  int rows;
  int operator[](CompleteBipartite::Node node) const { return node.id < rows ? 1 : -1; }
};

struct ListedSupply {
  int rows;
  const int64_t *supplies;
  const int64_t *demands;
  int64_t operator[](CompleteBipartite::Node node) const {
    return node.id < rows ? supplies[node.id] : -demands[node.id - rows];
  }
};

int64_t checkedSum(const int64_t *units, int64_t count) {
  const int64_t limit = int64_t(1) << 60;
  int64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (units[i] < 0) throw BadArgument{"supplies and demands cannot be negative"};
    if (units[i] >= limit - sum) throw BadArgument{"supplies and demands must sum to less than 2^60"};
    sum += units[i];
  }
  return sum;
}

}  // namespace

extern "C" {

const char *bm_transport_last_error(void) { return lastError().c_str(); }

int bm_assignment(int64_t count, const double *costs, int64_t *targets) {
  return guarded([&] {
    checkSize(count, count);
    const int n = static_cast<int>(count);
    solve<int>(n, n, costs, UnitSupply{n}, [&](int row, int column, int) { targets[row] = column; });
  });
}

int bm_transport(
    int64_t rows, int64_t columns, const double *costs, const int64_t *supplies, const int64_t *demands, double *total) {
  return guarded([&] {
    checkSize(rows, columns);
    if (checkedSum(supplies, rows) != checkedSum(demands, columns))
      throw BadArgument{"supplies and demands have different sums"};
    const int n = static_cast<int>(rows), m = static_cast<int>(columns);
    double sum = 0;
    solve<int64_t>(n, m, costs, ListedSupply{n, supplies, demands}, [&](int row, int column, int64_t flow) {
      sum += static_cast<double>(flow) * costs[static_cast<int64_t>(row) * columns + column];
    });
    *total = sum;
  });
}

}  // extern "C"
