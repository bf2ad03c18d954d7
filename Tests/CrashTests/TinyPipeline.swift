import Artifacts
import Foundation
import Stages
import TestSupport
import Testing

@testable import Workflow

/// The whole alanine chain with everything cut to the least that still runs: all stage types, about a second.
enum TinyPipeline {
  static let stages = [
    "frames", "emulator", "proposals", "ebm", "fresh", "md", "umbrella", "boltzmann", "traced", "report",
  ]

  /// The stages of which the chain consists up to the first samples: what suffices for the store and the engine.
  static let shortStages = ["frames", "emulator", "proposals"]

  static func text(seed: Int = 3, short: Bool = false, trainingSteps: Int = 6) -> String {
    let alanine = Package.alanine.path
    let training = "training: { steps: \(trainingSteps), batch: 32 }"
    let head = """
      name: tiny
      seed: \(seed)
      temperature: 300
      system:
        topology: \(alanine)/alanine.pdb
        forcefield: \(alanine)/system.xml
        torsions: { phi: [4, 6, 8, 14], psi: [6, 8, 14, 16] }
      stages:
        frames:    { uses: ingest, trajectory: \(alanine)/alanine-left.nc, stride: 100, chunk_frames: 40 }
        emulator:  { uses: emulator, frames: frames, network: { width: 8, depth: 1 }, \(training) }
        proposals: { uses: sample, emulator: emulator, count: 60 }

      """
    let tail = """
        ebm:
          uses: energy-model
          samples: proposals
          network: { width: 8, depth: 1 }
          \(training)
          fresh_samples: 40
          evaluation_samples: 10
        fresh:     { uses: sample, emulator: emulator, count: 40, log_density: stochastic-trace }
        md:
          uses: simulate
          starts: [-1.3, -2.2]
          runs: 1
          steering_time: 2
          equilibration: 0.2
          length: 2
          save_interval: 0.05
        umbrella:
          uses: umbrella
          coordinates: phi
          windows: 24
          force_constant: 150
          equilibration: 0.3
          production: 3
          sample_interval: 0.05
          bootstrap: 10
        boltzmann: { uses: reweight, samples: fresh, density: ebm }
        traced:    { uses: reweight, samples: fresh, density: stochastic-trace }
        report:    { uses: report, compare: [boltzmann, traced, umbrella] }

      """
    return short ? head : head + tail
  }

  /// Options of every run that is compared: with one thread the sums are in one order on every machine.
  static let options = ["--threads", "1", "--checkpoint-interval", "0"]

  /// Spares the program starting itself once more to set this.
  static let environment = ["OMP_WAIT_POLICY": "passive"]

  /// A folder with the pipeline file in it.
  static func program(short: Bool = false, seed: Int = 3, trainingSteps: Int = 6) throws -> Program {
    let program = try Program()
    try program.write(text(seed: seed, short: short, trainingSteps: trainingSteps), to: "tiny.yaml")
    return program
  }

  static func runFolder(_ program: Program) -> URL { program.folder.appendingPathComponent("runs/tiny") }

  /// The content digest of every artifact, each read in full.
  static func digests(_ folder: URL, short: Bool = false) throws -> [String: String] {
    var found: [String: String] = [:]
    for stage in short ? shortStages : stages {
      let artifact = try Artifact.open(folder.appendingPathComponent("\(stage).h5"), verify: true)
      found[stage] = artifact.provenance.contentDigest
    }
    return found
  }

  /// What an undisturbed run gives, made once by the real program; the folder is kept as long as the tests run.
  struct Reference {
    let program: Program
    let digests: [String: String]
    let seconds: Double
  }

  static let whole = Result { try reference(short: false) }
  static let short = Result { try reference(short: true) }

  private static func reference(short: Bool) throws -> Reference {
    let program = try program(short: short)
    let start = Date()
    let result = try program.finish(program.start(["run", "tiny.yaml"] + options, environment: environment))
    let seconds = Date().timeIntervalSince(start)
    guard result.code == 0 else { throw Failure(text: result.errors) }
    return Reference(program: program, digests: try digests(runFolder(program), short: short), seconds: seconds)
  }

  struct Failure: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
  }

  /// Runs the pipeline in this process. Returns the lines it printed and the outcome.
  static func runHere(_ program: Program) throws -> (lines: String, outcome: RunOutcome) {
    let definition = try PipelineLoader(registry: StageCatalog.registry).load(
      program.folder.appendingPathComponent("tiny.yaml"), shownAs: "tiny.yaml", workingFolder: program.folder)
    let folder = RunFolder(runs: program.folder.appendingPathComponent("runs"), pipeline: definition)
    var options = RunOptions()
    options.threads = 1
    options.checkpointInterval = 0
    var lines = ""
    let console = Console(isTerminal: false, clock: { 0 }, output: { lines += $0 })
    try folder.lock(as: "test")
    defer { folder.unlock() }
    let outcome = try Engine(pipeline: definition, folder: folder, console: console).run(options)
    return (lines, outcome)
  }

  /// How many of the files in a run folder are neither artifacts nor the engine's own notes.
  static func leftovers(_ folder: URL) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter {
      $0.contains(".tmp-") || ($0.hasSuffix(".h5") && ($0.contains(".ckpt-") || $0.contains(".part-")))
        || $0.contains(".forced")
    }
  }
}
