import Foundation
import FreeEnergies
import Molecules
import Trajectories

/// What trajectories show before any stage has read them: frames, temperature, held bonds, places of torsions.
struct FrameSurvey {
  let proposal: StateProposal
  /// In all files.
  let frames: Int
  /// Frames that were looked at and are not sound.
  let bad: Int
  /// K, where files tell temperatures, ascending; several where frames are of several. Those closer than `sameTemperature` are one.
  let temperatures: [Double]
  /// Of them, the one whose frames were looked at: nil where there are none, or one for all.
  let chosen: Double?
  /// "8 bonds to hydrogen", where constraints held some.
  let held: String?

  /// K
  static let sameTemperature = 0.05
  private static let (mostFrames, mostBytes, framesForBonds) = (50_000, 4 << 30, 40)

  /// Reads the frames as `ingest` does: all of them with `isWhole`, else so many, evenly spread, that it takes no long time.
  /// `temperature`: whose frames are wanted, K, where there are several; left out, the lowest.
  /// Throws `TrajectoryError`, `IngestError`, `MoleculesError`, `DraftError.temperature`.
  init(_ molecule: Molecule, trajectories: [URL], isWhole: Bool, temperature: Double? = nil) throws {
    let preparation = try FramePreparation(topology: molecule.topology)
    let readers = try trajectories.map { try IngestSource.open($0, molecule, preparation) }
    frames = readers.reduce(0) { $0 + $1.frameCount }
    func width(_ reader: any TrajectoryReader) -> Int { (reader as? SelectedAtoms)?.allAtoms ?? reader.atomCount }
    let bytes = readers.reduce(0) { $0 + 12 * $1.frameCount * width($1) }
    let stride = isWhole ? 1 : max(1, frames / Self.mostFrames, bytes / Self.mostBytes)
    var recorder = SlowTorsionRecorder(molecule.topology)
    var (bad, held) = (0, String?.none)
    let taken = try readers.map { try $0.selection(stride: min(stride, $0.frameCount)) }
    let told = isWhole ? [] : try zip(readers, taken).flatMap { try $0.temperatures($1) ?? [] }
    let temperatures = told.sorted().reduce(into: [Double]()) { found, value in
      if found.last.map({ value - $0 > Self.sameTemperature }) ?? true { found.append(value) }
    }
    let chosen = try Self.chosen(of: temperatures, temperature)
    for ((index, reader), all) in zip(readers.enumerated(), taken) {
      let step = max(1, (8 << 20) / (24 * width(reader)))
      for start in Swift.stride(from: 0, to: all.count, by: step) {
        let rows = start..<min(all.count, start + step)
        var raw = try reader.frames(all, rows)
        if let chosen, let found = try reader.temperatures(all, rows) {
          raw = raw.keeping(found.map { abs($0 - chosen) <= Self.sameTemperature })
        }
        let (sound, faults) = raw.prepared(by: preparation, file: reader.url.path)
        bad += faults.count
        recorder.add(
          sound.coordinates.map { Float($0) }, source: { _ in index },
          time: { sound.times.isEmpty ? nil : sound.times[$0] })
      }
      guard !isWhole else { continue }
      let bonds = try IngestConstraints.held(
        in: reader, all, preparation, molecule.topology, framesLookedAt: Self.framesForBonds)
      if held == nil, !bonds.isEmpty { held = bonds.summary(in: molecule.topology) }
    }
    (self.bad, self.held, self.temperatures, self.chosen) = (bad, held, temperatures, chosen)
    proposal = recorder.proposal()
  }

  /// Nil where there is nothing to choose. Throws `DraftError.temperature`.
  private static func chosen(of told: [Double], _ wanted: Double?) throws -> Double? {
    guard told.count > 1 else { return nil }
    guard let wanted else { return told[0] }
    guard let found = told.first(where: { abs($0 - wanted) <= sameTemperature }) else {
      throw DraftError.temperature(asked: wanted, told: told)
    }
    return found
  }
}
