import Dynamics
import Foundation
import Molecules
import OpenMM
import TestSupport
import Testing

@testable import ForceFields

@Suite("Side chains: where runs begin, moves, lowered barriers")
struct SideChainTests {
  private func topology(_ name: String) throws -> Topology {
    try Topology.read(pdb: Package.dipeptide(name).appendingPathComponent("topology.pdb"))
  }

  /// Every start has every staggered place of every side chain once in three runs.
  @Test func startsAreSpread() throws {
    let topology = try topology("IM")
    let phi = try topology.torsion(named: "phi")
    func starts(seed: UInt64) -> SimulationStarts {
      var starts = SimulationStarts(names: ["phi"], torsions: [phi], starts: [[1], [-2]], runsPerStart: 3)
      #expect(starts.targets == [[1], [1], [1], [-2], [-2], [-2]])
      starts.spreadSideChains(of: topology, seed: seed)
      return starts
    }
    let found = starts(seed: 1)
    #expect(found.names == ["phi", "chi1-1", "chi2-1", "chi1-2", "chi2-2", "chi3-2"])
    #expect(found.torsions.allSatisfy { $0.count == 4 } && found.targets.map { $0[0] } == [1, 1, 1, -2, -2, -2])
    for torsion in 1..<6 {
      for start in 0..<2 {
        let places = (0..<3).map { Int((found.targets[3 * start + $0][torsion] * 180 / .pi).rounded()) }
        #expect(places.sorted() == [-60, 60, 180])
      }
    }
    #expect(starts(seed: 1) == found && starts(seed: 2) != found)
  }

  @Test func movesTurnSideChainsAlone() throws {
    let topology = try topology("IM")
    let moves = TorsionMoves(sideChainsOf: topology)
    #expect(moves.names == ["chi1-1", "chi2-1", "chi1-2", "chi2-2", "chi3-2"])
    #expect(moves.moves.allSatisfy { $0.isThird })
    let backbone = Set(topology.atoms.indices.filter { ["N", "CA", "C", "O"].contains(topology.atoms[$0].name) })
    #expect(moves.moves.allSatisfy { backbone.isDisjoint(with: $0.atoms) })
    let biased = try topology.torsion(named: "chi1-2")
    #expect(TorsionMoves(sideChainsOf: topology, besides: [biased]).names == ["chi1-1", "chi2-1", "chi2-2", "chi3-2"])
    // the flat ends of asparagine and phenylalanine have no staggered places
    #expect(TorsionMoves(sideChainsOf: try self.topology("NF")).moves.map(\.isThird) == [true, false, true, false])
  }

  /// The energy that is added is the one that is told, frame by frame, by OpenMM.
  @Test func loweredBarriersAreWhatTheySay() throws {
    let fixture = try DipeptideFixture("AC")
    let (system, topology) = (try fixture.system(), try topology("AC"))
    let torsions = try ["phi", "chi1-2", "chi2-2"].map { try topology.torsion(named: $0) }
    let lowering = try #require(BarrierLowering(share: 0.5, of: system, torsions: torsions, staggered: [1, 2]))
    // the hydrogen of sulphur turns by itself
    #expect(lowering.depths.map(\.torsion) == [1])
    let barrier = system.threefoldBarrier(about: (torsions[1][1], torsions[1][2]))
    #expect(barrier > BarrierLowering.leastBarrier && lowering.depths[0].depth == 0.5 * barrier)
    let frames = fixture.frames(scales: [1], noises: [0.001, 0.01]).flatMap { $0 }
    let lowered = try OpenMMEngine(system: lowering.applied(to: system, torsions: torsions), threads: 1)
    let plain = try OpenMMEngine(system: system, threads: 1).energies(frames)
    let angles = torsionAngles(frames, atoms: topology.atoms.count, torsions: torsions)
    let told = lowering.energies(records: angles, torsionCount: 3)
    for (index, energy) in try lowered.energies(frames).enumerated() {
      #expect(abs(energy - plain[index] - told[index]) < 1e-6 && told[index] < 0)
    }
    #expect(BarrierLowering(share: 0, of: system, torsions: torsions, staggered: [1]) == nil)
    #expect(BarrierLowering(share: 1, of: system, torsions: torsions, staggered: [2]) == nil)
  }
}
