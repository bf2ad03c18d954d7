import Artifacts
import Basics
import Foundation
import FreeEnergies
import Records
import Workflow

/// Free energies of the pairs of states by all ways there are.
struct CycleAnswers {
  typealias Estimate = PotentialCycle.Estimate
  /// Under the first potential, the same with states as the map leads to them, and under the target by the reweighting; [pairs], kT.
  let reference, before, target: [Estimate]
  /// Under the target by the cycle: with works of both sides, and with forward works alone.
  let bothSides, forward: [Estimate]

  init(
    _ reference: Reweighting, _ reweighted: StageInput, _ cycle: PotentialCycle, _ states: MolecularStates
  ) throws {
    self.reference = reference.states.differences.map { Estimate(value: $0.value, standardError: $0.standardError) }
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
    guard target.count == cycle.answers.count else {
      throw CycleError.otherPotential(reweighted.name, field: SharedField.pairs.name)
    }
    before = cycle.answers.map(\.before)
    (bothSides, forward) = (cycle.answers.map(\.bennett), cycle.answers.map(\.forward))
  }
}

extension CycleStage {
  static func write(
    _ cycle: PotentialCycle, _ answers: CycleAnswers, _ states: MolecularStates, to writer: ArtifactWriter
  ) throws {
    func interval(_ estimate: CycleAnswers.Estimate) -> [Double] {
      [-1.96, 1.96].map { estimate.value + $0 * estimate.standardError }
    }
    let answer = answers.bothSides[0]
    try writer.write(
      (output.freeEnergy.deltaF, answer.value), (output.freeEnergy.standardError, answer.standardError),
      (output.freeEnergy.interval, interval(answer)))
    let (names, pairs) = (states.set.names, states.set.pairs)
    try writer.write(output.stateNames, names)
    try writer.write(output.from, pairs.map { names[$0.from] })
    try writer.write(output.to, pairs.map { names[$0.to] })
    if !states.isShort {
      try writer.write(output.pairs.from, pairs.map { names[$0.from] })
      try writer.write(output.pairs.to, pairs.map { names[$0.to] })
      try writer.write(
        (output.pairs.deltaF, answers.bothSides.map(\.value)),
        (output.pairs.standardError, answers.bothSides.map(\.standardError)))
      try writer.write(output.pairs.interval, answers.bothSides.flatMap(interval), shape: [pairs.count, 2])
    }
    for (record, values) in [
      (output.reference, answers.reference), (output.before, answers.before), (output.target, answers.target),
      (output.bothSides, answers.bothSides),
      (output.forwardAlone, answers.forward),
    ] {
      try writer.write((record.values, values.map(\.value)), (record.errors, values.map(\.standardError)))
    }
    try writer.write(output.offset, cycle.offset)
    for (record, values) in [
      (output.bennett, cycle.gains.map(\.bennett)), (output.forward, cycle.gains.map(\.forward)),
      (output.backward, cycle.gains.map(\.backward)),
    ] {
      try writer.write((record.values, values.map(\.value)), (record.errors, values.map(\.standardError)))
    }
    try writer.write(
      (output.forwardEffective, cycle.gains.map(\.forwardSupport.effective)),
      (output.backwardEffective, cycle.gains.map(\.backwardSupport.effective)),
      (output.forwardTail, cycle.gains.map(\.forwardSupport.tailShape)), (output.shared, cycle.gains.map(\.shared)))
  }

  /// Two ways that differ by more of their errors than this contradict each other.
  static let mostErrors = 3.0

  static func warn(
    _ context: StageContext, _ cycle: PotentialCycle, _ answers: CycleAnswers, _ reference: Reweighting,
    _ states: MolecularStates
  ) {
    let names = states.set.names
    for state in states.asked {
      let gain = cycle.gains[state]
      let name = states.isShort ? ["the state", "the rest"][state] : states.called(state)
      if let doubt = reference.support[state].doubt {
        context.warn(
          "under the first potential \(name) \(doubt)", reference.support[state].isBelievable ? .warning : .grave,
          cure: "draw more samples of the first emulator, or train it longer")
      }
      for (direction, support) in [("forward", gain.forwardSupport), ("backward", gain.backwardSupport)] {
        guard let doubt = support.doubt else { continue }
        context.warn(
          "\(direction) works: \(name) \(doubt)", support.isBelievable ? .note : .warning,
          cure: "a larger count, or more samples")
      }
      if gain.shared < PotentialCycle.fewestShared {
        context.warn(
          "\(name) gets no number from both sides: the two potentials share \(NumberText.fixed(gain.shared, 1)) samples there, and "
            + "\(NumberText.plain(PotentialCycle.fewestShared)) are the least",
          cure: "a larger count, or more samples of the target")
      }
    }
    for (index, pair) in states.set.pairs.enumerated() {
      let (forward, target) = (answers.forward[index], answers.target[index])
      let title = states.isShort ? "dF" : "dF of \(names[pair.from]) and \(names[pair.to])"
      let ways = [
        ("under the first potential", answers.reference[index]),
        ("under the target by the cycle", answers.bothSides[index]),
        ("by forward works alone", forward), ("by weights", target),
      ].map { $0.0 + " " + Self.text($0.1) }
      context.log("\(title): " + ways.joined(separator: ", "))
      let isBelievable = [pair.from, pair.to].allSatisfy { state in
        let support = cycle.gains[state].forwardSupport
        return support.isBelievable && support.effective >= StateSupport.fewestForInterval
      }
      if let message = contradiction(
        forward, target, between: ("forward works, which owe the target's emulator nothing", "weights"))
      {
        context.warn("\(title) under the target is \(message)", isBelievable ? .grave : .warning)
      }
      if let message = contradiction(
        gain(cycle, pair, \.forward), gain(cycle, pair, \.backward), between: ("forward works", "backward works"))
      {
        context.warn("\(title): the difference between the two potentials is \(message)")
      }
    }
  }

  private static func text(_ estimate: CycleAnswers.Estimate) -> String {
    guard estimate.value.isFinite else { return "no number" }
    let error = estimate.standardError
    return NumberText.fixed(estimate.value, 3) + (error.isFinite ? " ± " + NumberText.fixed(error, 3) : "") + " kT"
  }

  /// What the first state of a pair gains beside the second.
  private static func gain(
    _ cycle: PotentialCycle, _ pair: StateSet.Pair, _ way: KeyPath<PotentialCycle.Gain, CycleAnswers.Estimate>
  ) -> CycleAnswers.Estimate {
    let (one, other) = (cycle.gains[pair.from][keyPath: way], cycle.gains[pair.to][keyPath: way])
    return CycleAnswers.Estimate(
      value: one.value - other.value, standardError: hypot(one.standardError, other.standardError))
  }

  /// Nil where both are near, or where one of them has no number or no error.
  private static func contradiction(
    _ one: CycleAnswers.Estimate, _ other: CycleAnswers.Estimate, between names: (String, String)
  ) -> String? {
    let errors = abs(one.value - other.value) / hypot(one.standardError, other.standardError)
    guard errors > mostErrors else { return nil }
    return
      "\(text(one)) by \(names.0), and \(text(other)) by \(names.1): \(NumberText.fixed(errors, 1)) joint standard errors apart"
  }
}
