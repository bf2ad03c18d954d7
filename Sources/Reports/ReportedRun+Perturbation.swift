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
