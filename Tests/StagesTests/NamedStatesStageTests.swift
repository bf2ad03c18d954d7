import Artifacts
import Basics
import ForceFields
import Foundation
import Molecules
import Records
import TestSupport
import Testing

@testable import FreeEnergies
@testable import Stages
@testable import Workflow

/// Named states through the stages, and what a pipeline file may say of them.
@Suite final class NamedStatesStageTests {
  private let alanine: AlanineStages

  init() throws { alanine = try AlanineStages() }

  /// `system.states` as stages are given it.
  private static func entries(_ states: [(String, ParameterValue)]) -> ParameterValue {
    .list(states.map { ["name": .string($0.0), "value": $0.1] })
  }

  // MARK: reweight

  /// Alanine dipeptide with phi and psi turned evenly, and what a sample stage would have written of it.
  private func samples() throws -> (input: StageInput, coordinates: [Double], energies: [Double]) {
    let topology = try Topology.read(pdb: alanine.system.topology)
    let zmatrix = try InternalCoordinates(topology: topology)
    let phi = try #require(zmatrix.coordinate(ofTorsion: topology.torsion(named: "phi")))
    let psi = try #require(zmatrix.coordinate(ofTorsion: topology.torsion(named: "psi")))
    let start = try zmatrix.internalCoordinates(topology.referenceCoordinates, frames: 1).values
    var random = RandomStream(seed: 4, "samples")
    var values: [Double] = []
    for _ in 0..<800 {
      var q = start
      q[phi] = 2 * .pi * random.uniform() - .pi
      q[psi] = 2 * .pi * random.uniform() - .pi
      values += q
    }
    let x = try zmatrix.cartesian(values, frames: 800).coordinates
    let energies = try OpenMMEngine(systemXML: alanine.system.forcefieldFile, threads: 1).energies(x)
    let thermal = PhysicalConstants.thermalEnergy(temperature: 300)
    // weights of a soft potential: everything is carried by many samples
    let density = zip(energies, torsionAngles(x, atoms: 22, torsions: [[4, 6, 8, 14]])).map { energy, phi in
      -energy / thermal + cos(phi - 1)
    }
    let input = try StageInput("fresh", "sample", in: alanine.folder) { writer in
      let record = Recorded.sample
      try writer.write(record.trajectory.coordinates, x, shape: [800, 22, 3])
      try writer.write(record.logDensity.values, density)
      try writer.write(record.logDensity.method, "exact-trace")
    }
    return (input, x, energies)
  }

  private func reweighted(
    _ samples: StageInput, _ system: MoleculeFiles, _ name: String
  ) throws -> (artifact: Artifact, warnings: [String]) {
    let context = StageContext(
      stage: name, seed: 3,
      values: try #require(
        ReweightStage.resolvedParameters(["samples": "fresh", "density": "exact-trace", "bootstrap": 40])),
      inputs: ["samples": [samples]],
      output: try ArtifactWriter(url: alanine.folder.appendingPathComponent("\(name).h5")),
      checkpoints: CheckpointStore(folder: alanine.folder, stage: name, key: "k"), temperature: 300, system: system)
    try ReweightStage.run(context)
    return (try alanine.commit(context, ReweightStage.self), context.warnings)
  }

  @Test func shortFormAndNamedFormGiveTheSameNumbers() throws {
    let (input, _, _) = try samples()
    let short = try reweighted(input, alanine.system, "short").artifact
    var system = alanine.system
    system.states = Self.entries([("left", [["phi": [0, 2]]]), ("rest", "others")])
    let named = try reweighted(input, system, "named").artifact
    var compared = 0
    func compare(_ group: String) throws {
      for name in try short.list(group) where name != "provenance" {
        let path = group.isEmpty ? name : "\(group)/\(name)"
        if try short.isGroup(path) {
          try compare(path)
        } else if try !short.typeName(path).lowercased().contains("string"), !path.hasSuffix("seconds_per_energy") {
          let values = try short.read(path, as: Double.self)
          #expect(
            try named.read(path, as: Double.self).values.map(\.bitPattern) == values.values.map(\.bitPattern), "\(path)"
          )
          compared += 1
        }
      }
    }
    try compare("")
    #expect(compared == 28)
    let record = Recorded.reweight
    #expect(try named.read(record.stateNames) == ["left", "others"] && !short.has(record.states.population))
    #expect(try named.read(record.states.names) == ["left", "others"])
    #expect(try named.read(record.states.pairs.from) == ["left"] && named.read(record.states.pairs.to) == ["others"])
    #expect(try named.read(record.states.pairs.deltaF).values == [named.read(record.freeEnergy.deltaF)])
  }

  @Test func threeStatesOfTorsionsAndADistance() throws {
    let (input, x, energies) = try samples()
    var system = alanine.system
    system.distances = ["end": [1, 18]]
    system.states = Self.entries([
      ("left", [["phi": [0, 2]]]), ("far", [["phi": [2.5, -2.5], "end": [0.6, 2]]]),
      ("two", [["phi": [-2, -1], "psi": [-1, 1]], ["phi": [-1, 0], "psi": [2, -2]]]),
    ])
    system.pairs = [["left", "two"], ["rest", "left"]]
    let (artifact, warnings) = try reweighted(input, system, "three")
    let record = Recorded.reweight
    let angles = torsionAngles(x, atoms: 22, torsions: [[4, 6, 8, 14], [6, 8, 14, 16]])
    var (sums, counts) = ([0.0, 0, 0, 0], [0.0, 0, 0, 0])
    for n in energies.indices {
      let (phi, psi) = (angles[2 * n], angles[2 * n + 1])
      let end = (0..<3).reduce(0.0) { sum, axis in
        let d = x[(22 * n + 1) * 3 + axis] - x[(22 * n + 18) * 3 + axis]
        return sum + d * d
      }.squareRoot()
      let isTwo = (phi > -2 && phi < -1 && abs(psi) < 1) || (phi > -1 && phi < 0 && abs(psi) > 2)
      let state = phi > 0 && phi < 2 ? 0 : abs(phi) > 2.5 && end > 0.6 ? 1 : isTwo ? 2 : 3
      counts[state] += 1
      sums[state] += exp(-cos(phi - 1))
    }
    let total = sums.reduce(0, +)
    let shares = try artifact.read(record.states.population).values
    #expect(abs(shares.reduce(0, +) - 1) < 1e-9)
    for (share, sum) in zip(shares, sums) { #expect(abs(share - sum / total) < 1e-6) }
    #expect(try artifact.read(record.statePopulations).values == shares)
    #expect(try artifact.shape(record.stateIntervals) == [4, 2])
    let unweighted = try artifact.read(record.states.unweighted).values
    for (share, count) in zip(unweighted, counts) { #expect(abs(share - count / 800) < 1e-9) }
    let differences = try artifact.read(record.states.pairs.deltaF).values
    #expect(abs(differences[0] + log(sums[0] / sums[2])) < 1e-6 && abs(differences[1] + log(sums[3] / sums[0])) < 1e-6)
    #expect(try artifact.read(record.freeEnergy.deltaF) == differences[0])
    #expect(try artifact.read(record.states.names) == ["left", "far", "two", "rest"])
    #expect(warnings.allSatisfy { !$0.contains("no number") }, "\(warnings)")
  }

  // MARK: what a file says

  private func file(_ system: String, _ stages: String? = nil, trajectory: String = "alanine-left.nc") -> String {
    let data = Package.alanine.path
    return """
      name: states
      temperature: 300
      system:
        topology: \(data)/alanine.pdb
        forcefield: \(data)/system.xml
      \(system.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))
      stages:
        frames: { uses: ingest, trajectory: \(data)/\(trajectory) }
      \(stages ?? "  emulator: { uses: emulator, frames: frames }\n  fresh: { uses: sample, emulator: emulator, log_density: stochastic-trace }\n  traced: { uses: reweight, samples: fresh, density: stochastic-trace }")
      """
  }

  /// What loading and checking a file says.
  private func findings(_ text: String) throws -> String {
    let url = alanine.folder.appendingPathComponent("states.yaml")
    try text.write(to: url, atomically: true, encoding: .utf8)
    do {
      let definition = try PipelineLoader(registry: StageCatalog.registry).load(url, shownAs: "states.yaml")
      return try definition.check(Set(definition.stages.map(\.name))).joined(separator: "\n")
    } catch { return "\(error)" }
  }

  @Test(arguments: [
    (
      "states:\n  a: { phi: [0, 2] }\n  b: { psi: [0, 1] }",
      "states.yaml:7:5: states 'a' and 'b' overlap: both hold phi = 1, psi = 0.5"
    ),
    (
      "states: { a: { phy: [0, 2] } }",
      "states.yaml:6:11: system.states.a: there is no coordinate 'phy'; did you mean 'phi'?"
    ),
    (
      "states: { a: { endd: [0.1, 2] } }\ndistances: { end: [1, 18] }",
      "there is no coordinate 'endd'; did you mean 'end'?"
    ),
    ("state: { to: 1 }\nstates: { a: { phi: [0, 2] } }", "system.state is short for system.states"),
    ("states: { a: { phi: [0, 2] } }\npairs: [[a, restt]]", "there is no state 'restt'; did you mean 'rest'?"),
    ("pairs: [[a, rest]]", "system.pairs names states of system.states, and there are none"),
    ("states: { a: { phi: [2, 2] } }", "state 'a': phi from 2.0 to 2.0 is empty"),
    ("states: { a: { phi: [-3.1416, 3.1416] } }", "a whole turn: leave the coordinate out"),
    ("states: { a: alpha }", "system.states.a: 'alpha' is no box"),
    ("states: { rest: others }", "system.states has no state"),
    ("states: { a: { phi: [0, 2] }, rest: a }", "two states are called 'a'"),
    ("states: { a: {} }", "state 'a' has a box without a coordinate"),
    ("states: { a: { phi: [0, 7] } }", "phi of 7.0 is no angle in rad"),
    ("states: { a: { end: [0.5, 0.2] } }\ndistances: { end: [1, 18] }", "state 'a': end from 0.5 to 0.2 is empty"),
    (
      "states: { a: { end: [0.2, 0.5] } }\ndistances: { end: [1, 99] }",
      "system.distances.end: [1, 99] are not two atoms"
    ),
    ("states: { a: { phi: [0] } }", "system: states.a.phi: a list of 1 is out of range: exactly 2 values"),
    ("distances: { end: [1, 1] }", "[1,1] is out of range: two different atom indices"),
  ])
  func refuses(_ system: String, _ message: String) throws {
    let found = try findings(file(system))
    #expect(found.contains(message), "\(found)")
  }

  /// The order of states is the file's, and the rest has the name that it is given.
  @Test func statesKeepTheirOrder() throws {
    let url = alanine.folder.appendingPathComponent("states.yaml")
    let system =
      "states: { z: { phi: [0, 2] }, a: [ { phi: [-2, -1], psi: [1, 2] }, { phi: [-1, -0.5] } ], rest: others }"
    try file(system).write(to: url, atomically: true, encoding: .utf8)
    let definition = try PipelineLoader(registry: StageCatalog.registry).load(url, shownAs: "states.yaml")
    let shared = try #require(definition["traced"]).shared
    let declared = try DeclaredStates(shared)
    #expect(declared.names == ["z", "a", "others"] && !declared.isShort && declared.coordinates == ["phi", "psi"])
    let set = try declared.stateSet { _ in true }
    #expect(set.pairs == [.init(1, 0)] && set.states[1].boxes.count == 2 && set.profileTorsion == "phi")
    #expect(shared["state"] == .null && declared.title == "a against z")
    // and the short form is what it was, in the key too
    try file("torsions: { phi: [4, 6, 8, 14] }").write(to: url, atomically: true, encoding: .utf8)
    let short = try #require(
      PipelineLoader(registry: StageCatalog.registry).load(url, shownAs: "states.yaml")["traced"])
    #expect(short.shared["state"] == ["torsion": "phi", "from": .number(0), "to": .number(2)])
    #expect(["states", "pairs", "distances"].allSatisfy { short.shared[$0] ?? .null == .null })
    #expect(try DeclaredStates(short.shared).isShort)
  }

  @Test func umbrellaAndSimulateSayWhatTheyNeed() throws {
    let biased = "  umbrella: { uses: umbrella, coordinates: [psi], windows: [24], force_constant: [100] }"
    let found = try findings(file("states: { a: { phi: [0, 2] }, b: { phi: [-2, -1] } }", biased))
    #expect(
      found.contains("states.yaml:6:11: the state is defined by phi, which is none of the coordinates (psi)"),
      "\(found)"
    )
    #expect(found.contains("add phi to coordinates or change the first of system.pairs"))
    let apart = try findings(
      file(
        "states: { a: { phi: [0, 2], end: [0.2, 0.5] } }\ndistances: { end: [1, 18] }",
        "  umbrella: { uses: umbrella, coordinates: [phi], windows: [24], force_constant: [100] }"))
    #expect(apart.contains("the states of every pair depend on end, and walks record torsions alone"), "\(apart)")
    let led = try findings(
      file("states: { a: { end: [0.2, 0.5] } }\ndistances: { end: [1, 18] }", "  md: { uses: simulate }"))
    #expect(led.contains("state 'a' depends on end, and torsions alone are steered: give steering"), "\(led)")
    #expect(try findings(file("states: { a: { phi: [0, 2], psi: [0, 1] } }", "  md: { uses: simulate }")) == "")
  }

  @Test func startsAreInsideEachState() throws {
    func targets(_ states: ParameterValue, _ given: [String: ParameterValue] = [:]) throws -> SimulationTargets {
      var system = alanine.system
      system.states = states
      let context = try alanine.context(SimulateStage.self, UUID().uuidString, given, system: system)
      let molecule = try MolecularSystem(context)
      return try SimulationTargets(context.parameters(SimulateStage.Parameters.self), molecule, molecule.states())
    }
    let one = try targets(Self.entries([("left", [["phi": [0, 2]]])]))
    #expect(
      one.names == ["phi"] && one.starts.count == 2 && one.starts[0] == [1] && abs(one.starts[1][0] + 2.1416) < 1e-4)
    let three = try targets(
      Self.entries([
        ("left", [["phi": [0, 2]]]), ("up", [["phi": [-2, -1], "psi": [2.5, -2.5]]]),
        ("down", [["psi": [-1, 0], "phi": [-2, -1]]]),
      ]))
    let topology = try Topology.read(pdb: alanine.system.topology)
    let psi = torsionAngles(topology.referenceCoordinates, atoms: 22, torsions: [[6, 8, 14, 16]])[0]
    #expect(three.names == ["phi", "psi"] && three.starts[0] == [1, psi] && three.starts[2] == [-1.5, -0.5])
    #expect(three.starts[1][0] == -1.5 && abs(abs(three.starts[1][1]) - .pi) < 1e-9)
  }

  // MARK: windows

  /// Windows on phi: states of phi have numbers; one in psi is named instead, and so is the rest.
  @Test func windowsNameWhatTheyCannotTell() throws {
    let table = Package.fixture("windows/golden/metadata.dat").path
    let head = """
      name: windows
      seed: 3
      system:
        states: { left: { phi: [0, 2] }, right: { phi: [-2, -1] }, up: { phi: [2, 3], psi: [0, 1] } }
        pairs: [[left, right], [up, left], [rest, left]]
      """
    let url = alanine.folder.appendingPathComponent("windows.yaml")
    try """
    \(head)
    stages:
      w: { uses: windows, coordinates: [phi], table: \(table), units: [rad], force_constant_units: [kJ/mol/rad2], bootstrap: 20 }
    """.write(to: url, atomically: true, encoding: .utf8)
    let definition = try PipelineLoader(registry: StageCatalog.registry).load(url, shownAs: "windows.yaml")
    let run = RunFolder(runs: alanine.folder.appendingPathComponent("runs"), pipeline: definition)
    try run.lock(as: "test")
    #expect(try Engine(pipeline: definition, folder: run, console: Console(quiet: true)).run().exitCode == 0)
    let artifact = try Artifact.open(run.artifact("w"), verify: true)
    let record = Recorded.windows.states
    let values = try artifact.read(record.pairs.deltaF).values
    #expect(values[0].isFinite && values[1].isNaN && values[2].isNaN)
    #expect(try artifact.read(Recorded.windows.freeEnergy.deltaF) == values[0])
    #expect(try artifact.read(record.names) == ["left", "right", "up", "rest"])
    // by hand, from the samples and their weights
    let (phi, logWeights) = (
      try artifact.read(Recorded.windows.torsions["phi"]).values, try artifact.read(Recorded.windows.logWeights).values
    )
    let weight = { (low: Double, high: Double) in
      zip(phi, logWeights).reduce(0.0) { $0 + ($1.0 > low && $1.0 < high ? exp($1.1) : 0) }
    }
    #expect(abs(values[0] + log(weight(0, 2) / weight(-2, -1))) < 1e-9)
    let shares = try artifact.read(record.population).values
    #expect(abs(shares[0] - weight(0, 2)) < 1e-9 && shares[2].isNaN && shares[3].isNaN)
    let warning = artifact.provenance.warnings.first { $0.contains("'up'") }
    #expect(
      warning?.contains("is not told: it depends on psi, which carries no bias here (phi), and of 'rest' nothing")
        == true)
  }
}
