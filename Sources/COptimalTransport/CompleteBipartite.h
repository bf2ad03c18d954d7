#pragma once
#include <lemon/core.h>

#include <cstddef>
#include <type_traits>
#include <vector>

namespace boltzmill {

/// The complete bipartite digraph from `rows` sources to `columns` sinks as LEMON's algorithms see a graph, with nothing stored:
/// arc k leads from k / columns to rows + k % columns. (LEMON's own maps do not compile as C++20.)
class CompleteBipartite {
 public:
  CompleteBipartite(int rows, int columns) : rows_(rows), columns_(columns) {}

  struct Node {
    int id = -1;
    Node() = default;
    Node(lemon::Invalid) {}
    explicit Node(int id) : id(id) {}
    bool operator==(const Node &other) const { return id == other.id; }
    bool operator!=(const Node &other) const { return id != other.id; }
    bool operator<(const Node &other) const { return id < other.id; }
  };

  struct Arc {
    int id = -1;
    Arc() = default;
    Arc(lemon::Invalid) {}
    explicit Arc(int id) : id(id) {}
    bool operator==(const Arc &other) const { return id == other.id; }
    bool operator!=(const Arc &other) const { return id != other.id; }
    bool operator<(const Arc &other) const { return id < other.id; }
  };

  int nodeNum() const { return rows_ + columns_; }
  int arcNum() const { return rows_ * columns_; }
  Node source(Arc arc) const { return Node(arc.id / columns_); }
  Node target(Arc arc) const { return Node(rows_ + arc.id % columns_); }

  struct NodeIt : Node {
    explicit NodeIt(const CompleteBipartite &graph) : Node(graph.nodeNum() - 1) {}
    NodeIt &operator++() { return --id, *this; }
  };
  struct ArcIt : Arc {
    explicit ArcIt(const CompleteBipartite &graph) : Arc(graph.arcNum() - 1) {}
    ArcIt &operator++() { return --id, *this; }
  };
  struct InArcIt : Arc {
    InArcIt(const CompleteBipartite &graph, Node sink) : step_(graph.columns_) {
      if (sink.id >= graph.rows_) id = (graph.rows_ - 1) * step_ + sink.id - graph.rows_;
    }
    InArcIt &operator++() { return id = id >= step_ ? id - step_ : -1, *this; }

   private:
    int step_;
  };
  struct OutArcIt : Arc {
    OutArcIt(const CompleteBipartite &graph, Node source) {
      if (source.id < graph.rows_) first_ = source.id * graph.columns_, id = first_ + graph.columns_ - 1;
    }
    OutArcIt &operator++() { return id = id > first_ ? id - 1 : -1, *this; }

   private:
    int first_ = 0;
  };

  /// Values by the id of a node or arc.
  template <typename Item, typename Value>
  struct Map {
    typedef Item Key;
    typedef std::conditional_t<std::is_same_v<Value, bool>, char, Value> Stored;
    Map(int count, Value value) : values(static_cast<size_t>(count), value) {}
    Stored &operator[](Item item) { return values[static_cast<size_t>(item.id)]; }
    const Stored &operator[](Item item) const { return values[static_cast<size_t>(item.id)]; }
    std::vector<Stored> values;
  };
  template <typename Value>
  struct NodeMap : Map<Node, Value> {
    explicit NodeMap(const CompleteBipartite &graph, Value value = {}) : Map<Node, Value>(graph.nodeNum(), value) {}
  };
  template <typename Value>
  struct ArcMap : Map<Arc, Value> {
    explicit ArcMap(const CompleteBipartite &graph, Value value = {}) : Map<Arc, Value>(graph.arcNum(), value) {}
  };

 private:
  int rows_;
  int columns_;
};

}  // namespace boltzmill
