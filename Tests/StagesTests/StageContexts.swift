import Artifacts
import Basics
import Foundation
import Workflow

@testable import Stages

extension SystemFiles {
  init(
    topology: URL, forcefield: URL? = nil, method: (name: String, parameters: ParameterValue)? = nil,
    torsions: [String: [Int]] = [:], state: StateDefinition = StateDefinition()
  ) {
    self.init([:])
    self.topology = topology
    self.forcefield =
      method.map { ["method": .string($0.name), "parameters": $0.parameters] }
      ?? forcefield.map { .string($0.path) } ?? .null
    self.torsions = torsions
    self.state = state
  }

  /// Of a force field that is a file.
  var forcefieldFile: URL { URL(fileURLWithPath: forcefield.string ?? "") }

  var shared: [String: ParameterValue] {
    [
      "topology": topology.path.isEmpty ? .null : .string(topology.path), "forcefield": forcefield,
      "torsions": .object(torsions.mapValues(\.parameterValue)),
      "state": ["torsion": .string(state.torsion), "from": .number(state.from), "to": .number(state.to)],
    ]
  }
}

extension StageContext {
  /// A context of a test's own.
  convenience init(
    stage: String, seed: UInt64, values: ParameterValue, inputs: [String: [StageInput]] = [:], output: ArtifactWriter,
    checkpoints: CheckpointStore, temperature: Double = .nan, system: SystemFiles,
    progress: any Basics.ProgressReporting = SilentProgress(), threads: Int = 1, checkpointInterval: Double = 60,
    interruption: @escaping () -> Bool = { false }, log: @escaping (String) -> Void = { _ in }
  ) {
    self.init(
      stage: stage, seed: seed, values: values, inputs: inputs, output: output, checkpoints: checkpoints,
      shared: system.shared.merging(["temperature": .number(temperature)]) { $1 }, settings: ["device": "cpu"],
      progress: progress, threads: threads, checkpointInterval: checkpointInterval, interruption: interruption, log: log
    )
  }
}
