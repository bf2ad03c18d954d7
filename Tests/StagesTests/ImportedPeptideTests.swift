import Basics
import Foundation
import Generative
import HDF5
import Molecules
import Records
import TestSupport
import Testing
import Workflow

@testable import Stages

/// A network for many peptides, taken over for the topology in hand.
@Suite(.serialized) struct ImportedPeptideTests {
  static let weights = Package.datasets.appendingPathComponent("dipeptides-published/gvp.h5")
  let chain: GenerativeStagesTests

  init() throws { chain = try GenerativeStagesTests() }

  private func imported(
    _ url: URL = Self.weights, _ values: [String: ParameterValue] = [:], on system: MoleculeFiles = .dipeptide("AC")
  ) throws -> StageInput {
    try chain.run(
      ImportedEmulatorStage.self, "imported", values.merging(["weights": .string(url.path)]) { $1 }, [:], on: system)
  }

  /// Classes are those of the molecule; the unit of length is the file's, so that bonds are bonds.
  @Test(arguments: [("AC", 19), ("NF", 32)]) func samplesAreMolecules(_ name: String, _ classes: Int) throws {
    let system = MoleculeFiles.dipeptide(name)
    let emulator = try imported(on: system)
    // 76 columns of the embedding become as many as there are classes
    #expect(try emulator.artifact.read(Recorded.emulator.parameters) == 604_693 - 128 * (76 - classes))
    let samples = try chain.run(
      SampleStage.self, "samples", ["count": 12, "batch": 12, "ode_steps": 10, "log_density": "none"],
      ["emulator": [emulator]], on: system)
    let positions = try samples.artifact.read(Recorded.sample.trajectory.coordinates).values
    let topology = try Topology.read(pdb: system.topology)
    let size = 3 * topology.atoms.count
    var lengths: [Double] = []
    for frame in 0..<12 {
      for bond in topology.bonds {
        let squares = (0..<3).map { axis -> Double in
          let d = positions[size * frame + 3 * bond.first + axis] - positions[size * frame + 3 * bond.second + axis]
          return d * d
        }
        lengths.append(squares.reduce(0, +).squareRoot())
      }
    }
    // a sample in ten or so is no good molecule
    let good = lengths.filter { $0 > 0.085 && $0 < 0.2 }.count
    #expect(Double(good) > 0.97 * Double(lengths.count), "\(good) of \(lengths.count)")
  }

  private func expectError(saying words: String..., from body: () throws -> StageInput) {
    do {
      _ = try body()
      Issue.record("accepted: \(words)")
    } catch let error as EmulatorStageError {
      for word in words { #expect("\(error)".contains(word), "\(error)") }
    } catch {
      Issue.record("\(error)")
    }
  }

  @Test func otherMoleculesAreNamed() throws {
    expectError(saying: Self.weights.path, "not for this molecule", "3 residues", "peptides of 2") {
      try imported(on: .alanine)
    }
    // an atom of the file in hand
    let text = try String(contentsOf: MoleculeFiles.dipeptide("AC").topology, encoding: .utf8)
    #expect(text.contains(" HB1 ALA"))
    let url = chain.folder.appendingPathComponent("odd.pdb")
    try text.replacing(" HB1 ALA", with: " HX1 ALA").write(to: url, atomically: true, encoding: .utf8)
    expectError(saying: "not for this molecule", "does not know atom HX1 of ALA 1") {
      try imported(on: MoleculeFiles(topology: url))
    }
  }

  /// The file's unit counts; another one that is asked for is refused.
  @Test func lengthsAreTheFiles() throws {
    func chart(_ emulator: StageInput) throws -> Chart {
      try EmulatorArtifact.read(emulator).emulator.flow(
        for: Topology.read(pdb: MoleculeFiles.dipeptide("AC").topology)
      ).chart
    }
    for values: [String: ParameterValue] in [[:], ["length_scale": .number(30)]] {
      guard case .cartesian(let own) = try chart(imported(Self.weights, values)) else {
        Issue.record("the chart is no Cartesian one")
        continue
      }
      #expect(own.scale == 30 && own.meanFree)
    }
    expectError(saying: "/configuration/length_scale is 30.0", "given as 20.0") {
      try imported(Self.weights, ["length_scale": .number(20)])
    }
  }

  /// The file without weights, with some things otherwise: what is wrong is told before weights are looked for.
  private func file(
    _ name: String, replacing numbers: [String: [Int64]] = [:], without: Set<String> = [], lengthScale: Double = 30,
    classes: Bool = false
  ) throws -> URL {
    let original = try HDF5File.open(Self.weights)
    let url = chain.folder.appendingPathComponent("\(name).h5")
    let file = try HDF5File.create(url)
    for group in ["configuration", "features", "weights"] { try file.createGroup(group) }
    for each in try original.list("configuration") where !without.contains(each) {
      let own = try original.dataset("configuration/\(each)").read(as: Double.self)
      try file.createDataset("configuration/\(each)", type: .float64, shape: [])
        .write(each == "length_scale" ? [lengthScale] : own)
    }
    for each in try original.list("features") where !without.contains(each) {
      let own = try original.dataset("features/\(each)")
      let copy = try file.createDataset("features/\(each)", type: own.type, shape: own.shape)
      if own.type == .int64 {
        var values = try own.read(as: Int64.self)
        if let first = numbers[each] { values.replaceSubrange(0..<first.count, with: first) }
        try copy.write(values)
      } else {
        try copy.write(bytes: own.readBytes())
      }
    }
    if classes { try file.createDataset("atom_class", type: .int64, shape: [1]).write([Int64(0)]) }
    try file.close()
    return url
  }

  @Test func filesMustFit() throws {
    expectError(saying: "both /atom_class and /features") { try imported(file("both", classes: true)) }
    expectError(saying: "no /features/rule_presence") { try imported(file("a", without: ["rule_presence"])) }
    expectError(saying: "rule_presence has 3") { try imported(file("b", replacing: ["rule_presence": [3]])) }
    expectError(saying: "N of ALA has type 54 of 54") { try imported(file("c", replacing: ["rule_atom_type": [54]])) }
    expectError(saying: "/configuration/n_residue_positions") {
      try imported(file("d", without: ["n_residue_positions"]))
    }
    expectError(saying: "/configuration/length_scale is 0.0") { try imported(file("e", lengthScale: 0)) }
    do {
      _ = try imported(file("f"))
      Issue.record("a file without weights is taken")
    } catch let error as CartesianNetworkError {
      #expect(error == .parameterMissing(GVPNetwork.embeddingWeight))
    }
  }
}
