import Generative

/// An error of the science below in the terms of a pipeline file.
struct AdvisedError: Error, CustomStringConvertible {
  let cause: any Error
  let description: String
}

/// Runs `body`; says of what it throws which key of the pipeline file would help.
func advised<Result>(_ body: () throws -> Result) throws -> Result {
  do {
    return try body()
  } catch {
    guard let text = advice(error) else { throw error }
    throw AdvisedError(cause: error, description: text)
  }
}

private func advice(_ error: any Error) -> String? {
  switch error {
  case TrainingError.notFinite: return "\(error); lower training.learning_rate"
  case TrainingError.broken: return "\(error), or lower training.learning_rate"
  case TrainingError.tooFewSamples: return "\(error); lower training.batch or give more data"
  case EmulatorError.atomClasses(let count, let atoms):
    return "atom_classes has \(count) entries for \(atoms) atoms; give one class per atom, from 0"
  case EmulatorError.couplingNeedsPositions(let coupling):
    return "coupling: \(coupling.rawValue) is for coordinates: cartesian; internal ones have no orientation to align"
  case SamplePoolError.scoresElsewhere:
    return "losses.score_label above 0 needs coordinates: emulator; \(error)"
  case SamplingError.scoresNeedFixedStepsAndFreshProbes: return "\(error); see integrator and log_density"
  default: return nil
  }
}
