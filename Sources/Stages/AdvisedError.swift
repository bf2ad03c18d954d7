import Generative

/// An error of a science module to which there is something to say for users of pipeline files.
protocol AdvisableError: Error {
  /// What follows the error's own text, with the punctuation between; nil: nothing.
  var advice: String? { get }
  /// The whole text; nil where the error's own will do.
  var advised: String? { get }
}

extension AdvisableError {
  var advice: String? { nil }
  var advised: String? { advice.map { "\(self)\($0)" } }
}

/// An error in the terms of a pipeline file, with what its user can do about it.
struct AdvisedError: Error, CustomStringConvertible {
  let cause: any Error
  let description: String
}

/// Throws what `body` throws, with advice where there is some.
func withAdvice<Result>(_ body: () throws -> Result) throws -> Result {
  do {
    return try body()
  } catch let error as any AdvisableError {
    guard let text = error.advised else { throw error }
    throw AdvisedError(cause: error, description: text)
  }
}

extension TrainingError: AdvisableError {
  var advice: String? {
    switch self {
    case .notFinite: "; lower training.learning_rate"
    case .broken: ", or lower training.learning_rate"
    case .tooFewSamples: "; lower training.batch or give more data"
    default: nil
    }
  }
}

extension EmulatorError: AdvisableError {
  var advised: String? {
    switch self {
    case .atomClasses(let count, let atoms):
      "atom_classes has \(count) entries for \(atoms) atoms; give one class per atom, from 0"
    case .couplingNeedsPositions(let coupling):
      "coupling: \(coupling.rawValue) is for coordinates: cartesian; internal ones have no orientation to align"
    case .heldNeedsInternal(let bonds):
      "\(bonds) bonds are to keep their lengths (constraints: rigid), which needs coordinates: internal"
    case .forcesNeeded(.hydrogens, _):
      "\(self); name the frames' own force field and temperature as system.sampled_by and sampled_at, or take coordinates: internal, "
        + "or cartesian for cages and rings of more than seven"
    case .forcesNeeded(let lever, _):
      "\(self); leave \([.targets: "targets", .flows: "flows", .rotors: "rotors", .times: "time_weights"][lever] ?? "") to auto, or name "
        + "the frames' own force field and temperature as system.sampled_by and sampled_at"
    case .noBroadTorsions: "\(self); leave flows to auto"
    default: nil
    }
  }
}

extension SamplingError: AdvisableError {
  var advice: String? {
    switch self {
    case .scoresNeedFixedStepsAndFreshProbes: "; see integrator and log_density"
    default: nil
    }
  }
}

extension PerturbationError: AdvisableError {
  var advice: String? {
    switch self {
    case .tooFewAsked(_, let least): ": write first: \(least) or more"
    case .tooFewChains: ": raise chains, or lower batch"
    default: nil
    }
  }
}
