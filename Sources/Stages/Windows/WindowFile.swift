import Artifacts
import Foundation
import FreeEnergies
import HDF5
import Records

/// The samples of one window, as its file has them.
struct WindowFile {
  /// [coordinates][rows], in the file's units.
  let columns: [[Double]]
  let energies: [Double]?
  /// Of each coordinate, as PLUMED says it.
  let isPeriodic: [Bool]
  /// Rows that stood twice.
  let repeated: Int
  /// Between rows, ps, where the file knows it.
  let interval: Double?
  var rows: Int { columns.first?.count ?? 0 }

  /// Throws `WindowFileError`, `HDF5Error`, `WindowsStageError`.
  init(_ url: URL, _ parameters: WindowsStage.Parameters, _ names: [String]) throws {
    if parameters.format == .hdf5 {
      self = try WindowFile(hdf5: url, parameters.columns ?? [], energies: parameters.energyColumn)
      return
    }
    let isAMBER = parameters.format == .amber
    let isPLUMED = parameters.format == .plumed
    let table = try SampleTable(url, timeColumn: isAMBER || isPLUMED ? 0 : parameters.timeColumn.map { $0 - 1 })
    if isPLUMED, table.names.isEmpty {
      throw WindowsStageError.content(
        file: url.lastPathComponent, "no line #! FIELDS: this is no COLVAR file of PLUMED; say format: columns")
    }
    let wanted = names.indices.map { t -> String in
      let given = parameters.columns?[t]
      // sander writes the step, then the restraints in their order
      if isAMBER { return "\((given.flatMap { Int($0) } ?? t + 1) + 1)" }
      return given ?? (isPLUMED ? names[t] : "\(t + 2)")
    }
    columns = try wanted.map(table.column)
    energies = try parameters.energyColumn.map(table.column)
    isPeriodic = wanted.map(table.periodic.contains)
    repeated = table.repeated
    interval = isPLUMED && table.names.first == "time" ? table.interval : nil
  }

  private init(hdf5 url: URL, _ paths: [String], energies path: String?) throws {
    let file = try HDF5File.openForeign(url)
    func series(_ path: String) throws -> [Double] {
      let dataset = try file.dataset(path)
      guard dataset.shape.filter({ $0 != 1 }).count <= 1 else {
        throw WindowsStageError.content(
          file: url.lastPathComponent, "dataset \(path) has the shape \(dataset.shape); a window is a list of numbers")
      }
      return try dataset.read(as: Double.self)
    }
    columns = try paths.map(series)
    energies = try path.map(series)
    for (path, values) in zip(paths, columns) where values.count != columns[0].count {
      throw WindowsStageError.content(
        file: url.lastPathComponent, "dataset \(path) has \(values.count) values, \(paths[0]) \(columns[0].count)")
    }
    (isPeriodic, repeated, interval) = (paths.map { _ in false }, 0, nil)
  }

  /// The windows of an umbrella stage's artifact, each of its walks one of its own. Throws `ArtifactError`, `WindowsStageError`.
  static func umbrella(
    _ url: URL, names: [String], temperature: Double, first: Int, stride step: Int
  ) throws -> [BiasedWindows.Window] {
    let (artifact, record) = (try Artifact.open(url, verify: true), Recorded.umbrella)
    let file = url.lastPathComponent
    guard artifact.provenance.stageType == UmbrellaRecord.stageType else {
      throw WindowsStageError.content(
        file: file, "this is the artifact of a stage of type \(artifact.provenance.stageType)")
    }
    guard !artifact.has(record.sharedBias), !artifact.has(record.samplesSharedBias) else {
      throw WindowsStageError.content(
        file: file, "its dynamics had lowered barriers beside the windows' biases: take that umbrella stage itself")
    }
    let centers = try artifact.read(record.centers)
    let constants = try artifact.read(record.forceConstants).values
    let known = try artifact.read(record.torsionNames)
    guard Array(known.prefix(constants.count)) == names else {
      throw WindowsStageError.unknown(
        parameter: "coordinates", name: names.joined(separator: ", "),
        known: [known.prefix(constants.count).joined(separator: ", ")])
    }
    let lengths = try artifact.readIfThere(record.lengths)?.values
    let records = try artifact.read(lengths == nil ? record.torsions : record.samples)
    let (windows, all) = (centers.shape[0], records.shape.last ?? 1)
    let counts = lengths ?? [Int](repeating: records.shape[2], count: windows)
    let isSampled = try artifact.read(record.windowFreeEnergy).values.map(\.isFinite)
    let walks = records.values.count / max(1, all * counts.reduce(0, +))
    var (result, start) = ([BiasedWindows.Window](), 0)
    for walk in 0..<walks {
      for window in 0..<windows {
        defer { start += counts[window] }
        // a window that has no more than a first pass is none
        if lengths != nil, !isSampled[window] { continue }
        var values: [Double] = []
        for sample in Swift.stride(from: first, to: counts[window], by: step) {
          let row = (start + sample) * all
          values += records.values[row..<row + names.count]
        }
        result.append(
          BiasedWindows.Window(
            name: "\(file), walk \(walk), window \(window)",
            centers: Array(centers.values[window * names.count..<(window + 1) * names.count]),
            forceConstants: constants,
            temperature: temperature, values: values))
      }
    }
    return result
  }
}
