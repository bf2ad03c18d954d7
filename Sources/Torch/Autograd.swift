import CTorch

extension Tensor {
  /// A leaf that shares this tensor's storage and records gradients.
  public func requiringGradient() throws -> Tensor {
    let leaf = try detached()
    try check("requires grad", withExtendedLifetime(leaf) { bm_set_requires_grad(leaf.pointer, true) })
    return leaf
  }

  public var requiresGradient: Bool { withExtendedLifetime(self) { bm_requires_grad(pointer) } }

  /// The same storage, cut from the graph.
  public func detached() throws -> Tensor { try make("detach", keeping: self) { bm_detach(pointer, $0) } }

  /// Gradients of this scalar for each of `inputs`. With `createGraph` the gradients can be differentiated again
  /// (double back-propagation). An input this tensor does not depend on gives zeros.
  public func gradients(
    of inputs: [Tensor], createGraph: Bool = false, retainGraph: Bool? = nil
  ) throws -> [Tensor] {
    try Self.gradients(outputs: [self], seeds: nil, inputs: inputs, createGraph: createGraph, retainGraph: retainGraph)
  }

  /// Vector-Jacobian product: gradients of sum(self * seed) for each of `inputs`.
  public func vectorJacobianProduct(
    _ seed: Tensor, inputs: [Tensor], createGraph: Bool = false, retainGraph: Bool? = nil
  ) throws -> [Tensor] {
    try Self.gradients(
      outputs: [self], seeds: [seed], inputs: inputs, createGraph: createGraph, retainGraph: retainGraph)
  }

  private static func gradients(
    outputs: [Tensor], seeds: [Tensor]?, inputs: [Tensor], createGraph: Bool, retainGraph: Bool?
  ) throws -> [Tensor] {
    var results = [OpaquePointer?](repeating: nil, count: inputs.count)
    try withPointers(outputs) { outputList in
      try withPointers(inputs) { inputList in
        let call = { (seedList: UnsafeMutablePointer<OpaquePointer?>?) in
          try check(
            "gradient",
            bm_grad(
              outputList, seedList, Int32(outputs.count), inputList, Int32(inputs.count), createGraph,
              retainGraph ?? createGraph, &results))
        }
        if let seeds { try withPointers(seeds) { try call($0) } } else { try call(nil) }
      }
    }
    return try zip(results, inputs).map { result, input in
      if let result { return Tensor(owning: result) }
      return try Tensor.zeros(input.shape, input.scalarType ?? .float32)
    }
  }
}
