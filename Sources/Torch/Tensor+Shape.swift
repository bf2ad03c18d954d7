import CTorch

// Views, joins and indexing. A negative axis counts from the last.

extension Tensor {
  /// One size may be -1: it is what is left.
  public func reshaped(_ shape: Int...) throws -> Tensor { try reshaped(shape) }

  public func reshaped(_ shape: [Int]) throws -> Tensor {
    try make("reshape", keeping: self) { bm_reshape(pointer, shape.int64, shape.rank, $0) }
  }

  public func permuted(_ axes: Int...) throws -> Tensor {
    try make("permute", keeping: self) { bm_permute(pointer, axes.int64, axes.rank, $0) }
  }

  /// The last two axes exchanged.
  public func transposed() throws -> Tensor {
    let rank = self.rank
    guard rank >= 2 else { throw TorchError(operation: "transpose", reason: "shape \(shape) has no two axes") }
    let axes = Array(0..<(rank - 2)) + [rank - 1, rank - 2]
    return try make("transpose", keeping: self) { bm_permute(pointer, axes.int64, axes.rank, $0) }
  }

  public func expanded(_ shape: [Int]) throws -> Tensor {
    try make("expand", keeping: self) { bm_expand(pointer, shape.int64, shape.rank, $0) }
  }

  /// A new axis of size 1 before `axis`; -1 puts it last.
  public func unsqueezed(_ axis: Int) throws -> Tensor {
    var sizes = shape
    sizes.insert(1, at: axis < 0 ? sizes.count + axis + 1 : axis)
    return try reshaped(sizes)
  }

  public func slice(_ range: Range<Int>, axis: Int = 0) throws -> Tensor {
    try make("slice", keeping: self) {
      bm_slice(pointer, Int64(axis), Int64(range.lowerBound), Int64(range.upperBound), 1, $0)
    }
  }

  public static func concatenated(_ tensors: [Tensor], axis: Int) throws -> Tensor {
    try withPointers(tensors) { list in
      try make("concatenate") { bm_cat(list, Int32(tensors.count), Int64(axis), $0) }
    }
  }

  public static func stacked(_ tensors: [Tensor], axis: Int) throws -> Tensor {
    try withPointers(tensors) { list in try make("stack") { bm_stack(list, Int32(tensors.count), Int64(axis), $0) } }
  }

  /// The rows of `index` (Int64) along `axis`.
  public func selected(_ index: Tensor, axis: Int = 0) throws -> Tensor {
    try make("index select", keeping: (self, index)) { bm_index_select(pointer, Int64(axis), index.pointer, $0) }
  }

  public func gathered(_ index: Tensor, axis: Int) throws -> Tensor {
    try make("gather", keeping: (self, index)) { bm_gather(pointer, Int64(axis), index.pointer, $0) }
  }

  public func argsort(axis: Int = 0, descending: Bool = false) throws -> Tensor {
    try make("argsort", keeping: self) { bm_argsort(pointer, Int64(axis), descending, $0) }
  }
}
