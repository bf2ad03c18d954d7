import Basics
import FreeEnergies
import Foundation
import Workflow

/// Windows as a pipeline file describes them: checked against each other, then read.
final class WindowsSetup {
  typealias Parameters = WindowsStage.Parameters

  let parameters: Parameters
  let temperature: Double
  let names: [String]
  /// Whole sentences, once `read` is done.
  private(set) var warnings: [String] = []
  private(set) var kinds: [BiasedWindows.Coordinate] = []
  private let statesOfFile: DeclaredStates
  private let distancesOfFile: Set<String>
  private let entries: [WindowMetadata.Entry]  // Of a table; empty without one
  private var repeated = 0

  /// Throws `WindowsStageError`, `WindowFileError`.
  init(_ parameters: Parameters, shared: [String: ParameterValue]) throws {
    self.parameters = parameters
    temperature = shared[SharedField.temperature.name].flatMap(Double.init(_:)) ?? .nan
    names = parameters.coordinates
    statesOfFile = try DeclaredStates(shared)
    if case .object(let named)? = shared[SharedField.distances.name] {
      distancesOfFile = Set(named.keys)
    } else {
      distancesOfFile = []
    }
    entries =
      try parameters.table.map { try WindowMetadata($0.url, coordinates: parameters.coordinates.count).entries } ?? []
    guard Set(names).count == names.count else {
      throw WindowsStageError.needs("coordinates: one name stands twice (\(names.joined(separator: ", ")))")
    }
    try checkCounts()
    kinds = try coordinateKinds()
  }

  /// What stands where: lists as long as they must be, nothing given twice.
  private func checkCounts() throws {
    let p = parameters
    let fromTable = p.table != nil
    if fromTable {
      for (given, name) in [
        (p.files != nil, "files"), (p.centers != nil, "centers"), (p.forceConstants != nil, "force_constants"),
      ]
      where given { throw WindowsStageError.excluded(parameter: name, by: "table") }
      if entries.contains(where: { $0.temperature != nil }), p.temperatures != nil {
        throw WindowsStageError.excluded(parameter: "temperatures", by: "the temperatures of the table")
      }
    } else if p.files == nil {
      throw WindowsStageError.needs("windows need files, or a table that names them")
    }
    let windows = fromTable ? entries.count : p.files?.urls.count ?? 0
    for (name, count) in [
      ("columns", p.columns?.count), ("units", p.units?.count), ("force_constant_units", p.forceConstantUnits?.count),
    ] { if let count, count != names.count { throw width(name, count) } }
    switch p.format {
    case .amber:
      guard let restraints = p.restraints, !fromTable else {
        throw WindowsStageError.needs("format: amber needs files and restraints, AMBER's restraint file of each")
      }
      if restraints.urls.count != windows {
        throw WindowsStageError.count(parameter: "restraints", found: restraints.urls.count, windows: windows)
      }
      for (given, name) in [
        (p.centers != nil, "centers"), (p.forceConstants != nil, "force_constants"), (p.units != nil, "units"),
        (p.forceConstantUnits != nil, "force_constant_units"), (!p.halved, "halved: false"),
      ] where given { throw WindowsStageError.excluded(parameter: name, by: "restraints") }
    case .umbrella:
      for (given, name) in [
        (fromTable, "table"), (p.centers != nil, "centers"), (p.forceConstants != nil, "force_constants"),
        (p.units != nil, "units"), (p.columns != nil, "columns"), (!p.halved, "halved: false"),
      ] where given { throw WindowsStageError.excluded(parameter: name, by: "format: umbrella") }
      return
    case .columns, .plumed, .hdf5:
      if p.format == .hdf5, p.columns == nil {
        throw WindowsStageError.needs("format: hdf5 needs columns, the path of the dataset of each coordinate")
      }
      guard fromTable || p.centers != nil, fromTable || p.forceConstants != nil else {
        throw WindowsStageError.needs("centers and force_constants are needed (or a table, or AMBER's restraints)")
      }
      if p.format != .plumed, p.units == nil || p.forceConstantUnits == nil {
        throw WindowsStageError.needs("units and force_constant_units are needed: these files do not say them")
      }
    }
    if p.restraints != nil, p.format != .amber {
      throw WindowsStageError.excluded(parameter: "restraints", by: "format: \(p.format.rawValue)")
    }
    if let centers = p.centers, centers.count != windows {
      throw WindowsStageError.count(parameter: "centers", found: centers.count, windows: windows)
    }
    for (name, lists) in [("centers", p.centers), ("force_constants", p.forceConstants)] {
      if let odd = lists?.first(where: { $0.count != names.count }) { throw width("an entry of \(name)", odd.count) }
    }
    for (name, count) in [("force_constants", p.forceConstants?.count), ("temperatures", p.temperatures?.count)] {
      if let count, count != 1, count != windows {
        throw WindowsStageError.count(parameter: name, found: count, windows: windows)
      }
    }
  }

  private func width(_ parameter: String, _ found: Int) -> WindowsStageError {
    .width(parameter: parameter, found: found, coordinates: names)
  }

  /// Torsion or distance, by what the file says of units. PLUMED's and AMBER's own are known when files are read.
  private func coordinateKinds() throws -> [BiasedWindows.Coordinate] {
    guard let units = parameters.units else { return [] }
    for (t, constant) in (parameters.forceConstantUnits ?? []).enumerated()
    where constant.isTorsion != units[t].isTorsion {
      throw WindowsStageError.kind(
        coordinate: names[t], parameter: "force_constant_units", isTorsion: units[t].isTorsion)
    }
    return zip(names, units).map { BiasedWindows.Coordinate(name: $0, isTorsion: $1.isTorsion) }
  }

  // MARK: what is asked for

  /// Throws `WindowsStageError`, `WindowFileError`, `HDF5Error`.
  func read() throws -> BiasedWindows {
    let windows = try parameters.format == .umbrella ? umbrellaWindows() : fileWindows()
    if repeated > 0 {
      warnings.append(
        "\(repeated) samples stand twice with the same time, as runs that were gone on with write them; each counts once."
      )
    }
    try checkQuestions()
    var interval = parameters.sampleInterval
    if interval == nil { interval = ownInterval }
    return BiasedWindows(
      coordinates: kinds, windows: windows, temperature: temperature,
      sampleInterval: interval.map { $0 * Double(parameters.stride) })
  }

  private var ownInterval: Double?  // Of PLUMED's files

  /// The state and the profile's coordinate, against what the windows are on.
  private func checkQuestions() throws {
    states = try statesAskedFor()
    if let along = parameters.along, !names.contains(along) {
      throw WindowsStageError.unknown(parameter: "along", name: along, known: names)
    }
    if let ends = parameters.interval {
      guard kinds.contains(where: { !$0.isTorsion }) else {
        throw WindowsStageError.needs("interval is of a distance, and the coordinates are torsions: see system.state")
      }
      if ends[0] >= ends[1] { throw WindowsStageError.needs("interval: its first end must be below the second") }
    } else if !statesOfFile.isShort {
      for state in statesOfFile.states {
        let missing = statesOfFile.coordinates(of: state).filter { !names.contains($0) }
        if !missing.isEmpty {
          warnings.append(
            "State '\(state.name)' is not told: it depends on \(missing.joined(separator: ", ")), which carries no bias here "
              + "(\(names.joined(separator: ", ")))"
              + (states == nil
                ? ". There is a profile only." : ", and of '\(statesOfFile.rest)' nothing is told either."))
        }
      }
    } else if states == nil, kinds.contains(where: \.isTorsion) {
      warnings.append(
        "No free-energy difference: the state is of \(statesOfFile.coordinates.joined(separator: ", ")), which is none of the torsions here "
          + "(\(names.joined(separator: ", "))). There is a profile only; see system.state.torsion.")
    }
  }

  /// What is asked for, as far as the windows can tell it; nil: a profile only. Known once the coordinates' kinds are.
  private(set) var states: StateSet?

  private func statesAskedFor() throws -> StateSet? {
    if let ends = parameters.interval {
      let distances = kinds.filter { !$0.isTorsion }
      guard let distance = distances.first(where: { $0.name == parameters.along }) ?? distances.first else {
        return nil
      }
      return StateSet(
        StateSet.Coordinate(distance.name, isTorsion: false), .interval(ends[0]...max(ends[0], ends[1])))
    }
    if statesOfFile.isShort {
      guard kinds.contains(where: { statesOfFile.coordinates.contains($0.name) && $0.isTorsion }) else { return nil }
      return try statesOfFile.stateSet { _ in true }
    }
    // what the windows do not have may be either: nothing is told of it
    let set = try statesOfFile.stateSet { name in
      kinds.first { $0.name == name }?.isTorsion ?? !distancesOfFile.contains(name)
    }
    let isTold = set.pairs.contains { pair in
      [pair.from, pair.to].allSatisfy { set.coordinateNames(of: $0).allSatisfy(names.contains) }
    }
    return isTold ? set : nil
  }

  /// Whether states of the file's own are asked for.
  var hasNamedStates: Bool { !statesOfFile.isShort && parameters.interval == nil }

  func options(seed: UInt64) -> WindowsAnalysis.Options {
    var options = WindowsAnalysis.Options()
    (options.states, options.seed) = (states, seed)
    let leading = states?.leadingCoordinates.lazy.compactMap(self.names.firstIndex(of:)).first
    options.axis = parameters.along.flatMap(names.firstIndex(of:)) ?? leading ?? 0
    (options.profileBins, options.bootstrapReplicates) = (parameters.profileBins, parameters.bootstrap)
    options.overlapThreshold = parameters.overlapThreshold
    return options
  }

  // MARK: files

  /// One window for each file.
  private func fileWindows() throws -> [BiasedWindows.Window] {
    let files = parameters.table == nil ? parameters.files?.urls ?? [] : entries.map(\.file)
    var rows: [BiasedWindows.Window] = []
    var intervals: [Double] = []
    for (k, file) in files.enumerated() {
      let well = try parameters.restraints.map { try restraints($0.urls[k]) }
      let samples = try WindowFile(file, parameters, names)
      let bias = try well ?? bias(k, samples)
      repeated += samples.repeated
      if let interval = samples.interval { intervals.append(interval) }
      rows.append(try window(file, k, samples, bias))
    }
    if let first = intervals.first, intervals.count == files.count,
      intervals.allSatisfy({ abs($0 - first) < 0.01 * first })
    {
      ownInterval = first
    }
    try checkUnits(rows)
    return rows
  }

  /// Centre and k of k/2 d^2 of a window, in rad or nm and kJ/mol.
  private func bias(_ k: Int, _ samples: WindowFile) throws -> (centers: [Double], forceConstants: [Double]) {
    if kinds.isEmpty { kinds = zip(names, samples.isPeriodic).map { .init(name: $0, isTorsion: $1) } }
    let centers = entries.isEmpty ? parameters.centers?[k] ?? [] : entries[k].centers
    let given = parameters.forceConstants ?? []
    let constants = entries.isEmpty ? given[given.count == 1 ? 0 : k] : entries[k].forceConstants
    return (
      names.indices.map { centers[$0] * (parameters.units?[$0].factor ?? 1) },
      names.indices.map {
        constants[$0] * (parameters.forceConstantUnits?[$0].factor ?? 1) * (parameters.halved ? 1 : 2)
      }
    )
  }

  private var picked: [Int]?  // Which of AMBER's restraints, for each coordinate
  private var others: [AMBERRestraint]?  // Those beside them

  private func restraints(_ url: URL) throws -> (centers: [Double], forceConstants: [Double]) {
    let all = try AMBERRestraint.read(url)
    let file = url.lastPathComponent
    let picked =
      try self.picked
      ?? names.indices.map { t in
        let word = parameters.columns?[t] ?? "\(t + 1)"
        guard let number = Int(word), number >= 1 else {
          throw WindowsStageError.needs(
            "columns: with format: amber '\(word)' must be the number of a restraint, from 1")
        }
        return number - 1
      }
    self.picked = picked
    guard parameters.columns != nil ? (picked.max() ?? 0) < all.count : all.count == names.count else {
      throw WindowsStageError.content(
        file: file,
        "\(all.count) restraints for \(names.count) coordinates; say with columns which restraints are meant, from 1")
    }
    let rest = all.indices.filter { !picked.contains($0) }.map { all[$0] }
    if let others, others != rest {
      throw WindowsStageError.content(
        file: file,
        "its further restraints differ from those of the windows before: such windows cannot be put together")
    }
    if others == nil, !rest.isEmpty {
      warnings.append(
        "\(rest.count) further restraints stand in every window: the free energies are those of the molecule with them."
      )
    }
    others = rest
    let chosen = picked.map { all[$0] }
    let found = zip(names, chosen).map { BiasedWindows.Coordinate(name: $0, isTorsion: $1.isTorsion) }
    if kinds.isEmpty { kinds = found }
    guard kinds == found else {
      throw WindowsStageError.content(file: file, "a torsion here and a distance in another window stand in one place")
    }
    wells = chosen
    return (chosen.map(\.center), chosen.map(\.forceConstant))
  }

  private var wells: [AMBERRestraint] = []  // Of the window that is being read

  private func window(
    _ file: URL, _ k: Int, _ samples: WindowFile, _ bias: (centers: [Double], forceConstants: [Double])
  ) throws -> BiasedWindows.Window {
    let taken = Array(stride(from: parameters.first, to: samples.rows, by: parameters.stride))
    let unit = names.indices.map { t -> Double in
      parameters.format == .amber ? (kinds[t].isTorsion ? .pi / 180 : 0.1) : parameters.units?[t].factor ?? 1
    }
    var values: [Double] = []
    values.reserveCapacity(taken.count * names.count)
    for row in taken { for t in names.indices { values.append(samples.columns[t][row] * unit[t]) } }
    for (t, well) in wells.enumerated() {
      for (n, row) in taken.enumerated() {
        let away = values[n * names.count + t] - bias.centers[t]
        let d = kinds[t].isTorsion ? away.remainder(dividingBy: 2 * .pi) : away
        if !well.parabola.contains(d) {
          throw WindowsStageError.content(
            file: file.lastPathComponent,
            "sample \(row) (from 0) lies beyond r1 or r4 of its restraint, where the bias is no parabola any more")
        }
      }
    }
    let temperatures = parameters.temperatures ?? [temperature]
    return BiasedWindows.Window(
      name: file.lastPathComponent, centers: bias.centers, forceConstants: bias.forceConstants,
      temperature: (entries.isEmpty ? nil : entries[k].temperature) ?? temperatures[temperatures.count == 1 ? 0 : k],
      values: values,
      energies: samples.energies.map { energies in taken.map { energies[$0] * parameters.energyUnit.factor } })
  }

  /// Angles that cannot be in the unit that is said.
  private func checkUnits(_ windows: [BiasedWindows.Window]) throws {
    guard let units = parameters.units else { return }
    for t in names.indices where units[t].isTorsion {
      let limit = 2 * Double.pi + 0.01
      var largest = 0.0
      for window in windows {
        let values = stride(from: t, to: window.values.count, by: names.count).map { window.values[$0] }
        for value in values + [window.centers[t]] {
          let given = value / units[t].factor
          largest = max(largest, abs(given))
          if units[t] == .rad, abs(given) > limit {
            throw WindowsStageError.unit(
              file: window.name, coordinate: names[t], value: given, unit: "rad", advice: "degrees")
          }
        }
      }
      if units[t] == .degrees, largest <= limit {
        throw WindowsStageError.unit(
          file: windows.first?.name ?? "", coordinate: names[t], value: largest,
          unit: "degrees where no larger one stands in any window", advice: "rad")
      }
    }
  }

  // MARK: windows of an umbrella stage

  private func umbrellaWindows() throws -> [BiasedWindows.Window] {
    guard let file = parameters.files?.urls.first, parameters.files?.urls.count == 1 else {
      throw WindowsStageError.needs("format: umbrella takes one file, the artifact of an umbrella stage")
    }
    kinds = names.map { .init(name: $0, isTorsion: true) }
    return try WindowFile.umbrella(
      file, names: names, temperature: parameters.temperatures?.first ?? temperature, first: parameters.first,
      stride: parameters.stride)
  }
}
