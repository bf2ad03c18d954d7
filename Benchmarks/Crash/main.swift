import Artifacts
import Basics
import Foundation

// Kills a pipeline at random times until it has died often enough, lets it finish, and compares every artifact's digest with those of
// a run that was left alone.
// usage: crash-benchmark [kills] [seed] [pipeline file] [seconds between checkpoints] [folder]
// The pipeline program stands beside this one. In the folder (default: a temporary one, removed in the end) an undisturbed run that
// is there already is used again.

let arguments = Array(CommandLine.arguments.dropFirst())
let wanted = arguments.first.flatMap { Int($0) } ?? 50
let seed = arguments.count > 1 ? UInt64(arguments[1]) ?? 1 : 1
let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()
let file =
  arguments.count > 2
  ? URL(fileURLWithPath: arguments[2]) : package.appendingPathComponent("pipelines/alanine-quick.yaml")
let interval = arguments.count > 3 ? arguments[3] : "1"
let isTemporary = arguments.count < 5
let folder =
  isTemporary
  ? FileManager.default.temporaryDirectory.appendingPathComponent("crash-\(UUID().uuidString)")
  : URL(fileURLWithPath: arguments[4])
let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
  .appendingPathComponent("pipeline")

func start(_ runs: String) throws -> Process {
  let process = Process()
  process.executableURL = program
  process.arguments = [
    "run", file.path, "--runs", folder.appendingPathComponent(runs).path, "--threads", "1", "--checkpoint-interval",
    interval,
  ]
  process.environment = ProcessInfo.processInfo.environment.merging(["OMP_WAIT_POLICY": "passive"]) { $1 }
  process.standardOutput = FileHandle.nullDevice
  process.standardError = FileHandle.nullDevice
  try process.run()
  return process
}

/// Digests of all artifacts of the one run folder in `runs`, each read in full.
func digests(_ runs: String) throws -> [String: String] {
  let parent = folder.appendingPathComponent(runs)
  var found: [String: String] = [:]
  for name in try FileManager.default.contentsOfDirectory(atPath: parent.path) {
    let place = parent.appendingPathComponent(name)
    for file in try FileManager.default.contentsOfDirectory(atPath: place.path)
    where file.hasSuffix(".h5") && !file.hasPrefix(".") {
      found[file] = try Artifact.open(place.appendingPathComponent(file), verify: true).provenance.contentDigest
    }
  }
  return found
}

setvbuf(stdout, nil, _IOLBF, 0)
try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
defer { if isTemporary { try? FileManager.default.removeItem(at: folder) } }

let watch = Stopwatch()
let reference = try start("reference")
reference.waitUntilExit()
guard reference.terminationStatus == 0 else {
  print("the undisturbed run failed with code \(reference.terminationStatus)")
  exit(1)
}
let seconds = watch.seconds
let expected = try digests("reference")
print("undisturbed: \(expected.count) artifacts in \(NumberText.duration(seconds: seconds))")

// so short that the run gets on all the same: a kill costs what was done since the last checkpoint
let patience = max(1.5, 2.5 * (Double(interval) ?? 1))
var random = RandomStream(seed: seed, "kills")
var kills = 0
var rounds = 0
var failed = false
while kills < wanted, !failed {
  rounds += 1
  let runs = "killed-\(rounds)"
  try? FileManager.default.removeItem(at: folder.appendingPathComponent(runs))
  while true {
    let process = try start(runs)
    let end = Stopwatch()
    let limit = 0.2 + random.uniform() * 2 * patience
    while kills < wanted, process.isRunning, end.seconds < limit { usleep(10_000) }
    if kills < wanted, process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    if process.terminationReason == .uncaughtSignal {
      kills += 1
      if kills % 10 == 0 { print("\(kills) kills after \(NumberText.duration(seconds: watch.seconds))") }
      continue
    }
    if process.terminationStatus != 0 {
      print("round \(rounds): exit code \(process.terminationStatus) after \(kills) kills")
      failed = true
    }
    break
  }
  let found = try digests(runs)
  let different = Set(expected.keys).union(found.keys).filter { expected[$0] != found[$0] }.sorted()
  if !different.isEmpty {
    print("round \(rounds): these differ: \(different.joined(separator: ", "))")
    failed = true
  }
}
print(
  "\(kills) kills in \(rounds) runs of \(file.lastPathComponent), seed \(seed): "
    + (failed ? "NOT all digests equal" : "all \(expected.count) digests equal"))
exit(failed ? 1 : 0)
