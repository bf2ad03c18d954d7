import Basics
import Foundation
import Molecules
import TestSupport
import Testing

@testable import FreeEnergies

/// Poor weights of known cause, made of frames that were drawn from harmonic bonds and angles.
@Suite struct WeightDiagnosisTests {
  /// Water's shape, drawn from its springs: two bonds and an angle.
  private struct Water {
    let topology: Topology
    let kT = 2.494
    let terms = [
      HarmonicTerm(atoms: [0, 1], equilibrium: 0.0957, forceConstant: 4e5),
      HarmonicTerm(atoms: [0, 2], equilibrium: 0.0957, forceConstant: 4e5),
      HarmonicTerm(atoms: [1, 0, 2], equilibrium: 1.82, forceConstant: 400),
    ]

    init() throws {
      topology = try Topology(
        atoms: ["O", "H1", "H2"].enumerated().map {
          Topology.Atom(name: $1, element: String($1.prefix(1)), residueIndex: 0, serial: $0 + 1)
        }, residues: [Topology.Residue(name: "HOH", sequence: 1)], bonds: [.init(0, 1), .init(0, 2)],
        referenceCoordinates: [0, 0, 0, 0.0957, 0, 0, -0.024, 0.093, 0])
    }

    /// Frames with bonds and angle as the springs have them; `bondWidth` times as wide, the first bond longer by `longer`.
    func frames(_ count: Int, seed: UInt64, bondWidth: Double = 1, longer: Double = 0) -> [Double] {
      var random = RandomStream(seed: seed, "water")
      let widths = terms.map { (kT / $0.forceConstant).squareRoot() }
      return (0..<count).flatMap { _ -> [Double] in
        let first = 0.0957 + longer + bondWidth * widths[0] * random.normal()
        let second = 0.0957 + widths[1] * random.normal()
        let angle = 1.82 + widths[2] * random.normal()
        return [0, 0, 0, first, 0, 0, second * cos(angle), second * sin(angle), 0]
      }
    }

    func diagnosis(_ samples: [Double], logWeights: [Double]? = nil, frames: [Double], terms: Bool = true)
      -> [WeightDiagnosis.Finding]
    {
      WeightDiagnosis(
        topology: topology, samples: samples,
        logWeights: logWeights ?? [Double](repeating: 0, count: samples.count / 9),
        frames: frames, terms: terms ? self.terms : [], thermalEnergy: kT
      ).findings
    }
  }

  @Test func bondsThatAConstraintHeldAreNamed() throws {
    let water = try Water()
    for terms in [true, false] {
      let found = water.diagnosis(
        water.frames(500, seed: 1), frames: water.frames(500, seed: 2, bondWidth: 1e-4), terms: terms)
      guard case .heldFixed(let names, let spread, let thermal)? = found.first else {
        Issue.record("\(found)")
        continue
      }
      #expect(names == ["bond O of HOH 1 - H1 of HOH 1"])
      #expect(spread < 1e-6 && thermal > 1e-3)
      #expect("\(found[0])".contains("they were constrained"))
    }
  }

  @Test func framesOfAnotherForceFieldAreTold() throws {
    let water = try Water()
    let shifted = water.frames(500, seed: 3, longer: 0.008)
    let found = water.diagnosis(water.frames(500, seed: 4, longer: 0.008), frames: shifted)
    guard case .otherForceField(let term, let ratio, let count)? = found.first else {
      Issue.record("\(found)")
      return
    }
    // (0.008 nm)^2 k / kT, and 1 of the thermal motion
    let expected: Double = 0.008 * 0.008 * 4e5 / water.kT + 1
    #expect(term == "bond O of HOH 1 - H1 of HOH 1" && abs(ratio - expected) < 0.1 * expected && count == 1)
  }

  @Test func samplesUnlikeTheirFramesAreNamedWithBothWidths() throws {
    let water = try Water()
    let found = water.diagnosis(water.frames(500, seed: 5, bondWidth: 3), frames: water.frames(500, seed: 6))
    guard case .unlikeFrames(let name, let samples, let frames, let unit, let ring)? = found.first else {
      Issue.record("\(found)")
      return
    }
    #expect(name == "bond O of HOH 1 - H1 of HOH 1" && unit == "nm" && ring == nil)
    #expect(abs(samples.width / frames.width - 3) < 0.5 && abs(samples.middle - frames.middle) < 1e-3)
  }

  /// Weights that follow one bond's energy; and weights that follow nothing.
  @Test func theTermThatSpoilsTheWeightsIsNamed() throws {
    let water = try Water()
    let (samples, frames) = (water.frames(2000, seed: 7), water.frames(2000, seed: 8))
    var random = RandomStream(seed: 9, "noise")
    let energies = stride(from: 0, to: samples.count, by: 9).map { base -> Double in
      let off = samples[base + 3] - 0.0957
      return 2e5 * off * off / water.kT
    }
    let found = water.diagnosis(samples, logWeights: energies.map { -$0 + 0.1 * random.normal() }, frames: frames)
    guard case .term(let name, let share)? = found.first else {
      Issue.record("\(found)")
      return
    }
    #expect(name == "bond O of HOH 1 - H1 of HOH 1" && share > 0.9 && share < 1.1)
    let noise = (0..<2000).map { _ in 5 * random.normal() }
    #expect(water.diagnosis(samples, logWeights: noise, frames: frames) == [.training])
  }

  /// Hydrogen peroxide that frames show in one place, while the weights want it in the other; and a torsion that never leaves its place.
  @Test func aPlaceThatFramesHardlySawIsNamed() throws {
    let reference = [0.03, 0.09, 0, 0, 0, 0, 0.147, 0, 0, 0.117, 0.09, 0]
    let topology = try Topology(
      atoms: ["H1", "O1", "O2", "H2"].enumerated().map {
        Topology.Atom(name: $1, element: String($1.prefix(1)), residueIndex: 0, serial: $0 + 1)
      }, residues: [Topology.Residue(name: "HPO", sequence: 1)], bonds: [.init(0, 1), .init(1, 2), .init(2, 3)],
      referenceCoordinates: reference)
    var random = RandomStream(seed: 11, "places")
    func frame(_ angle: Double) -> [Double] {
      let width = { 0.002 * random.normal() }
      let bend = 0.09 + width()
      return [
        -0.03 + width(), 0.09 + width(), 0, 0, 0, 0, 0.147 + width(), 0, 0, 0.177 + width(), bend * cos(angle),
        bend * sin(angle),
      ]
    }
    let angles = (0..<2000).map { ($0 % 50 == 0 ? 0 : Double.pi) + 0.2 * random.normal() }
    let weights = angles.map { cos($0) > 0 ? log(200.0) : 0 }
    let found = WeightDiagnosis(
      topology: topology, samples: angles.flatMap(frame), logWeights: weights, frames: angles.flatMap(frame),
      thermalEnergy: 2.494
    ).findings
    guard case .rarePlace(let name, let center, let samples, let weight, let frames)? = found.first else {
      Issue.record("\(found)")
      return
    }
    #expect(name == "O1-O2 of HPO 1" && abs(center) < 0.2)
    #expect(abs(samples - 0.02) < 1e-9 && abs(frames - 0.02) < 1e-9)
    #expect(abs(weight - 0.02 * 200 / (0.02 * 200 + 0.98)) < 1e-9)
    let even = WeightDiagnosis(
      topology: topology, samples: angles.flatMap(frame), logWeights: angles.map { _ in 0 },
      frames: angles.flatMap(frame), thermalEnergy: 2.494
    ).findings
    #expect(even == [.training])

    let torsions = topology.rotatableTorsions
    #expect(torsions.map(\.hasPlaces) == [true])
    #expect(SlowTorsions.inOnePlace(torsions, angles: angles).isEmpty)
    let one = SlowTorsions.inOnePlace(torsions, angles: angles.filter { cos($0) < 0 })
    #expect(one.count == 1 && abs(abs(one[0].center) - Double.pi) < 0.1)
  }

  /// A ring's closing bond is said to be one.
  @Test func ringsAreCounted() throws {
    let topology = try Topology(
      atoms: (0..<6).map { Topology.Atom(name: "C\($0)", element: "C", residueIndex: 0, serial: $0 + 1) },
      residues: [Topology.Residue(name: "RNG", sequence: 1)],
      bonds: [.init(0, 1), .init(1, 2), .init(2, 3), .init(3, 4), .init(0, 4), .init(4, 5)],
      referenceCoordinates: (0..<18).map { 0.01 * Double($0 * $0) })
    #expect(topology.ringSize(of: .init(0, 4)) == 5 && topology.ringSize(of: .init(1, 2)) == 5)
    #expect(topology.ringSize(of: .init(4, 5)) == nil)
  }
}
