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
  /// K, where files tell temperatures; several where frames are of several.
  let temperatures: [Double]
  /// "8 bonds to hydrogen", where constraints held some.
  let held: String?

  private static let (mostFrames, mostBytes, framesForBonds) = (50_000, 4 << 30, 40)

  /// Reads the frames as `ingest` does: all of them with `isWhole`, else so many, evenly spread, that it takes no long time.
  /// Throws `TrajectoryError`, `IngestError`, `MoleculesError`.
  init(_ molecule: Molecule, trajectories: [URL], isWhole: Bool) throws {
    let preparation = try FramePreparation(topology: molecule.topology)
    let readers = try trajectories.map { try IngestSource.open($0, molecule, preparation) }
    frames = readers.reduce(0) { $0 + $1.frameCount }
    func width(_ reader: any TrajectoryReader) -> Int { (reader as? SelectedAtoms)?.allAtoms ?? reader.atomCount }
    let bytes = readers.reduce(0) { $0 + 12 * $1.frameCount * width($1) }
    let stride = isWhole ? 1 : max(1, frames / Self.mostFrames, bytes / Self.mostBytes)
    var recorder = SlowTorsionRecorder(molecule.topology)
    var (bad, temperatures, held) = (0, Set<Double>(), String?.none)
    for (index, reader) in readers.enumerated() {
      let all = try reader.selection(stride: min(stride, reader.frameCount))
      let step = max(1, (8 << 20) / (24 * width(reader)))
      for start in Swift.stride(from: 0, to: all.count, by: step) {
        let raw = try reader.frames(all, start..<min(all.count, start + step))
        let (sound, faults) = raw.prepared(by: preparation, file: reader.url.path)
        bad += faults.count
        recorder.add(
          sound.coordinates.map { Float($0) }, source: { _ in index },
          time: { sound.times.isEmpty ? nil : sound.times[$0] })
      }
      guard !isWhole else { continue }
      for temperature in try reader.temperatures(all) ?? [] { temperatures.insert((temperature * 10).rounded() / 10) }
      let bonds = try IngestConstraints.held(
        in: reader, all, preparation, molecule.topology, framesLookedAt: Self.framesForBonds)
      if held == nil, !bonds.isEmpty { held = bonds.summary(in: molecule.topology) }
    }
    (self.bad, self.temperatures, self.held) = (bad, temperatures.sorted(), held)
    proposal = recorder.proposal()
  }
}
