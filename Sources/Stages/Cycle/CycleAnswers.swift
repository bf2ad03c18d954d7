import Artifacts
import Basics
import Foundation
import FreeEnergies
import Records
import Workflow

/// Free energies of the pairs of states by all ways there are.
struct CycleAnswers {
  typealias Estimate = PotentialCycle.Estimate
  /// [pairs]; kT.
  let reference, target, bennett, forward: [Estimate]

  init(
    _ reference: Reweighting, _ reweighted: StageInput, _ cycle: PotentialCycle, _ states: MolecularStates
  ) throws {
    let first = reference.states.differences.map { Estimate(value: $0.value, standardError: $0.standardError) }
    self.reference = first
    let (record, artifact) = (Recorded.reweight, reweighted.artifact)
    if states.isShort {
      target = [
        Estimate(
          value: try artifact.read(record.freeEnergy.deltaF),
          standardError: try artifact.read(record.freeEnergy.standardError))
      ]
    } else {
      target = try zip(
        artifact.read(record.states.pairs.deltaF).values, artifact.read(record.states.pairs.standardError).values
      ).map { Estimate(value: $0, standardError: $1) }
    }
    func sum(_ gained: [Estimate]) -> [Estimate] {
      zip(first, gained).map { own, step in
        Estimate(value: own.value + step.value, standardError: hypot(own.standardError, step.standardError))
      }
    }
    bennett = sum(cycle.steps.map(\.bennett))
    forward = sum(cycle.steps.map(\.forward))
  }
}

extension CycleStage {
  static func write(
    _ cycle: PotentialCycle, _ answers: CycleAnswers, _ states: MolecularStates, to writer: ArtifactWriter
  ) throws {
    let answer = answers.bennett[0]
    func interval(_ estimate: CycleAnswers.Estimate) -> [Double] {
      [-1.96, 1.96].map { estimate.value + $0 * estimate.standardError }
    }
    try writer.write(
      (output.freeEnergy.deltaF, answer.value), (output.freeEnergy.standardError, answer.standardError),
      (output.freeEnergy.interval, interval(answer)))
    let names = states.set.names
    try writer.write(output.pairs.from, states.set.pairs.map { names[$0.from] })
    try writer.write(output.pairs.to, states.set.pairs.map { names[$0.to] })
    try writer.write(
      (output.pairs.deltaF, answers.bennett.map(\.value)),
      (output.pairs.standardError, answers.bennett.map(\.standardError)))
    try writer.write(
      output.pairs.interval, answers.bennett.flatMap(interval), shape: [answers.bennett.count, 2])
    for (record, values) in [
      (output.reference, answers.reference), (output.target, answers.target), (output.forwardCycle, answers.forward),
    ] {
      try writer.write((record.values, values.map(\.value)), (record.errors, values.map(\.standardError)))
    }
    for (record, values) in [
      (output.bennett, cycle.gains.map(\.bennett)), (output.forward, cycle.gains.map(\.forward)),
      (output.backward, cycle.gains.map(\.backward)),
    ] {
      try writer.write((record.values, values.map(\.value)), (record.errors, values.map(\.standardError)))
    }
    try writer.write(
      (output.forwardEffective, cycle.gains.map(\.forwardEffective)),
      (output.backwardEffective, cycle.gains.map(\.backwardEffective)), (output.shared, cycle.gains.map(\.shared)))
  }

  /// Two ways that differ by more of their errors than this contradict each other.
  static let mostErrors = 3.0

  static func warn(
    _ context: StageContext, _ cycle: PotentialCycle, _ answers: CycleAnswers, _ states: MolecularStates
  ) {
    let names = states.set.names
    for state in states.asked {
      let gain = cycle.gains[state]
      let name = states.isShort ? ["the state", "the rest"][state] : states.called(state)
      if !gain.bennett.value.isFinite {
        context.warn(
          String(
            format: "%@: the two potentials share %.2g samples; %g are the least for a number", name, gain.shared,
            PotentialCycle.fewestEffective), .grave, cure: "a larger count, or more samples of the target")
      }
      let (forward, backward) = (gain.forward, gain.backward)
      let error = hypot(forward.standardError, backward.standardError)
      if abs(forward.value - backward.value) > mostErrors * error {
        context.warn(
          String(
            format:
              "%@ gains %.2f ± %.2f kT by forward works and %.2f ± %.2f by backward ones: one side holds conformations that the "
              + "other lacks", name, forward.value, forward.standardError, backward.value, backward.standardError),
          .grave)
      }
    }
    for (index, pair) in states.set.pairs.enumerated() {
      let (direct, target) = (answers.forward[index], answers.target[index])
      let error = hypot(direct.standardError, target.standardError)
      let title = states.isShort ? "dF" : "dF of \(names[pair.from]) and \(names[pair.to])"
      context.log(
        String(
          format:
            "%@: %.3f ± %.3f kT under the first potential; under the target %.3f ± %.3f by the cycle, %.3f ± %.3f by forward works alone, "
            + "%.3f ± %.3f by weights", title, answers.reference[index].value, answers.reference[index].standardError,
          answers.bennett[index].value, answers.bennett[index].standardError, direct.value, direct.standardError,
          target.value, target.standardError))
      if abs(direct.value - target.value) > mostErrors * error {
        context.warn(
          String(
            format:
              "%@ under the target is %.2f ± %.2f kT by forward works, which know nothing of its emulator, and %.2f ± %.2f by weights",
            title, direct.value, direct.standardError, target.value, target.standardError), .grave)
      }
    }
  }
}
