import Basics
import Foundation
import Records

extension ReportedRun {
  /// How emulators were carried to another potential, round by round.
  func perturbationSection() throws -> Report.Section {
    var table = TextTable(
      title: "Fresh samples on the way to another potential",
      columns: [
        "stage", .init("round", alignment: .right), .init("energies so far", alignment: .right),
        .init("ESS", unit: "%"), .init("within the states", unit: "%", alignment: .right),
        .init("states apart", unit: "kT", alignment: .right), .init("surrogate off by", unit: "kT"),
        .init("thermometer", alignment: .right),
      ])
    var shifts: [String] = []
    let record = Recorded.perturb
    for stage in all(PerturbRecord.self) {
      guard let energies = try stage.numbers(record.rounds.energies),
        let effective = try stage.numbers(record.rounds.effectiveFraction),
        let within = try stage.numbers(record.rounds.stateEffectiveFraction),
        let apart = try stage.numbers(record.rounds.freeEnergies),
        let off = try stage.numbers(record.rounds.surrogateError),
        let heat = try stage.numbers(record.rounds.thermometer),
        let heatError = try stage.numbers(record.rounds.thermometerError), !energies.isEmpty
      else { continue }
      let states = within.count / energies.count
      for round in energies.indices {
        let own = round * states..<(round + 1) * states
        table.addRow([
          stage.name, "\(round + 1)", NumberText.count(Int(energies[round])), percent(effective[round]),
          within[own].map { percent($0) }.joined(separator: " / "),
          apart[own].map { NumberText.fixed($0, 2) }.joined(separator: " / "), NumberText.fixed(off[round], 2),
          NumberText.fixed(heat[round], 3) + " ± " + NumberText.fixed(heatError[round], 3),
        ])
      }
      if let rms = try stage.number(record.shift), let largest = try stage.number(record.largestShift) {
        shifts.append(
          " \(stage.name): the target lies \(NumberText.fixed(rms, 2)) widths from the emulator it began with (root mean square of the "
            + "narrow coordinates; at most \(NumberText.fixed(largest, 1))).")
      }
    }
    return Report.Section(
      title: "To another potential",
      text:
        "Each round draws fresh samples from the emulator as it is by then and asks the target for their energies and forces. ESS is what plain"
        + " samples of it would have; states apart are free energies by these samples alone, the lowest at zero. The surrogate's error is a median"
        + " over points it has not seen. The thermometer is Stein's identity of the fresh samples by weight, 1 where energies, forces and weights belong together. What decides is the reweighting of later samples."
        + shifts.joined(), tables: [table])
  }

  /// What states gain on the way from one potential to another, and dF by all ways; without tables where there is no such cycle.
  func cycleSection() throws -> Report.Section {
    let record = Recorded.cycle
    var gains = TextTable(
      title: "What each state gains on the way to the target",
      columns: [
        "stage", "state", .init("both sides (BAR)", unit: "kT"), .init("forward works", unit: "kT"),
        .init("backward works", unit: "kT"), .init("effective samples, forward / backward", alignment: .right),
        .init("shared", alignment: .right),
      ])
    var answers = TextTable(
      title: "dF by the cycle",
      columns: [
        "stage", "pair", .init("under sampled_by", unit: "kT"), .init("target: cycle", unit: "kT"),
        .init("target: forward works alone", unit: "kT"), .init("target: weights", unit: "kT"),
      ])
    func columns(_ stage: ReportedStage, _ fields: [(Reals, Reals)]) throws -> [([Double], [Double])] {
      try fields.map { (try stage.numbers($0) ?? [], try stage.numbers($1) ?? []) }
    }
    for stage in all(CycleRecord.self) {
      guard let names = try stage.texts(record.stateNames), let shared = try stage.numbers(record.shared),
        let forward = try stage.numbers(record.forwardEffective),
        let backward = try stage.numbers(record.backwardEffective), let from = try stage.texts(record.from),
        let to = try stage.texts(record.to)
      else { continue }
      let gained = try columns(
        stage, [record.bennett, record.forward, record.backward].map { ($0.values, $0.errors) })
      for (state, name) in names.enumerated() {
        let effective = [forward[state], backward[state]].map { NumberText.fixed($0, 0) }.joined(separator: " / ")
        gains.addRow(
          [stage.name, name] + gained.map { Self.text($0.0, $0.1, state, 2) }
            + [effective, NumberText.fixed(shared[state], 0)])
      }
      let ways = try columns(
        stage,
        [
          record.reference, record.bothSides, record.forwardAlone, record.target,
        ].map { ($0.values, $0.errors) })
      for pair in from.indices {
        answers.addRow([stage.name, "\(from[pair]) - \(to[pair])"] + ways.map { Self.text($0.0, $0.1, pair, 3) })
      }
    }
    return Report.Section(
      title: "Thermodynamic cycle",
      text:
        "A second way to dF under the target: that under the potential of the first emulator, and what each state gains between the two. A map of"
        + " bonds and angles, made of both potentials' forces, leads samples from one to the other; works are what that costs. Forward works are of"
        + " samples of the first emulator alone: nothing of them comes from the target's own emulator. Gains are beside one constant, which all states share.",
      tables: gains.rows.isEmpty ? [] : [answers, gains])
  }

  /// Free energies at other temperatures; nil where nobody asked.
  func temperatureTable() throws -> TextTable? {
    var table = TextTable(
      title: "At other temperatures",
      columns: [
        "stage", .init("T", unit: "K"), .init("pair", alignment: .right), .init("dF", unit: "kJ/mol"),
        .init("dH", unit: "kJ/mol"), .init("T dS", unit: "kJ/mol"), .init("heat capacity", unit: "J/mol/K"),
        .init("ESS", unit: "%"),
      ])
    let record = Recorded.reweight.temperatures
    for stage in compared {
      guard let temperatures = try stage.numbers(record.temperature),
        let effective = try stage.numbers(record.effectiveFraction),
        let capacity = try stage.numbers(record.heatCapacity),
        let capacityError = try stage.numbers(record.heatCapacityError), !temperatures.isEmpty
      else { continue }
      let columns = try [record.freeEnergy, record.enthalpy, record.entropy].map {
        (try stage.numbers($0.values) ?? [], try stage.numbers($0.errors) ?? [])
      }
      let pairs = columns[0].0.count / temperatures.count
      for row in temperatures.indices {
        for pair in 0..<pairs {
          let place = row * pairs + pair
          table.addRow(
            [stage.name, NumberText.plain(temperatures[row]), "\(pair + 1)"]
              + columns.map { Self.text($0.0, $0.1, place, 2) }
              + [
                pair == 0 ? Self.text(capacity.map { 1000 * $0 }, capacityError.map { 1000 * $0 }, row, 0) : "",
                pair == 0 ? percent(effective[row]) : "",
              ])
        }
      }
    }
    return table.rows.isEmpty ? nil : table
  }

  private static func text(_ values: [Double], _ errors: [Double], _ place: Int, _ decimals: Int) -> String {
    guard values.indices.contains(place), errors.indices.contains(place), values[place].isFinite else {
      return "not determined"
    }
    let value = NumberText.fixed(values[place], decimals)
    return errors[place].isFinite ? value + " ± " + NumberText.fixed(errors[place], decimals) : value
  }
}
