/// What can be wrong with data handed to an estimator, or with what an estimator found.
public enum FreeEnergiesError: Error, Equatable, CustomStringConvertible {
  /// Lists that do not fit each other.
  case shape(String)
  /// A value no estimator can use, and where it stands.
  case invalidValue(String)
  /// MBAR's own gradient and Newton step say that the free energies are not at the solution. The step is in kT, the
  /// gradient relative to a state's sample count.
  case notConverged(largestStep: Double, largestGradient: Double, iterations: Int)
  /// The states fall into groups between which the samples tell nothing.
  case disconnected(String)
  /// Umbrella windows leave part of the path unsampled: any free energy across it would be invented.
  case coverageGap(String)
  /// A state that no sample lies in has no free energy.
  case emptyState(String)

  public var description: String {
    switch self {
    case .shape(let text), .invalidValue(let text), .emptyState(let text): text
    case .notConverged(let step, let gradient, let iterations):
      "MBAR did not converge: after \(iterations) iterations the free energies still move by \(step) kT (largest "
        + "relative gradient \(gradient)); the states probably do not overlap"
    case .disconnected(let text): "the states do not overlap: \(text)"
    case .coverageGap(let text): "umbrella windows leave a gap: \(text)"
    }
  }
}
