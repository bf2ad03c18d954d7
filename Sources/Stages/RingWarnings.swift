import Foundation
import Generative
import Molecules

/// What users are told of rings that internal coordinates cannot close.
enum RingWarnings {
  /// A sentence for each bond that no internal coordinate of the molecule holds.
  ///
  /// Throws `MoleculesError.tooFewAtoms`.
  static func beforeTraining(_ topology: Topology) throws -> [String] {
    try InternalCoordinates(topology: topology).openRings(in: topology).map { ring in
      "the \(ring.description(in: topology)) and is no coordinate of the emulator: internal coordinates close rings of up to "
        + "\(InternalCoordinates.largestClosedRing) atoms. Samples will break this bond, and longer training does not mend it; "
        + "coordinates: heavy has no ring to close"
    }
  }

  /// A sentence for each bond of a ring that an energy model has no coordinate for, though its emulator works on positions.
  static func ofEnergyModel(_ chart: EnergyModelChart, _ topology: Topology) -> [String] {
    guard !chart.isEmulators, case .internal(let own) = chart.chart else { return [] }
    return own.coordinates.openRings(in: topology).map { ring in
      "the \(ring.description(in: topology)) and is no coordinate of the energy model, which will hardly know how long it is; the emulator's own "
        + "density (log_density of sample, density: stochastic-trace of reweight) has no ring to close"
    }
  }

  /// A sentence for each ring bond that is broken in samples. `counts`: in how many of `samples`, for each of `bonds.rings`; `coordinates`:
  /// the emulator's, nil where it works on positions.
  static func ofSamples(
    _ bonds: RingBonds, counts: [Int], samples: Int, coordinates: InternalCoordinates?, _ topology: Topology
  ) -> [String] {
    let free = Set(coordinates?.openRings(in: topology, flat: true).map(\.bond) ?? [])
    return zip(bonds.rings, counts).filter { $0.1 > 0 }.map { ring, count in
      let share = String(format: "%.3g %%", 100 * Double(count) / Double(max(1, samples)))
      return
        "in \(share) of the samples (\(count) of \(samples)) a ring is broken: the \(ring.description(in: topology))"
        + (free.contains(ring.bond) ? " and is no coordinate of the emulator" : "") + "; they will weigh nothing"
    }
  }
}
