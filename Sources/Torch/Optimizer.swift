import CTorch

/// Adam and AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019) on a list of parameters, in place.
public final class Adam {
  public let parameters: [Tensor]
  /// To go on from saved moments, copy these into place, and set `step`.
  public let firstMoments: [Tensor]
  public let secondMoments: [Tensor]
  /// Finished steps.
  public var step: Int = 0
  public let beta1: Double
  public let beta2: Double
  public let epsilon: Double
  public let weightDecay: Double
  public let decoupled: Bool  // AdamW: the decay acts on the parameters, not through the gradient

  public init(
    _ parameters: [Tensor], beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0, decoupled: Bool = true
  ) throws {
    self.parameters = parameters
    firstMoments = try parameters.map { try Tensor.zeros($0.shape, $0.scalarType ?? .float32) }
    secondMoments = try parameters.map { try Tensor.zeros($0.shape, $0.scalarType ?? .float32) }
    (self.beta1, self.beta2, self.epsilon) = (beta1, beta2, epsilon)
    (self.weightDecay, self.decoupled) = (weightDecay, decoupled)
  }

  /// One step with the learning rate of this step.
  public func update(_ gradients: [Tensor], learningRate: Double) throws {
    guard gradients.count == parameters.count else {
      throw TorchError(operation: "adam", reason: "\(gradients.count) gradients for \(parameters.count) parameters")
    }
    step += 1
    try withPointers(parameters) { p in
      try withPointers(gradients) { g in
        try withPointers(firstMoments) { m in
          try withPointers(secondMoments) { v in
            try check(
              "adam",
              bm_adam_step(
                p, g, m, v, Int32(parameters.count), Int64(step), learningRate, beta1, beta2, epsilon, weightDecay,
                decoupled))
          }
        }
      }
    }
  }
}

/// Scales `gradients` in place so that their joint 2-norm is at most `maximum`; returns the norm before.
public func clipNormInPlace(_ gradients: [Tensor], maximum: Double) throws -> Double {
  var norm = 0.0
  try withPointers(gradients) { try check("clip", bm_clip_norm($0, Int32(gradients.count), maximum, &norm)) }
  return norm
}

/// averages <- decay * averages + (1 - decay) * parameters, in place.
public func updateAveragesInPlace(_ averages: [Tensor], _ parameters: [Tensor], decay: Double) throws {
  try withPointers(averages) { a in
    try withPointers(parameters) { p in try check("moving average", bm_ema_update(a, p, Int32(averages.count), decay)) }
  }
}
