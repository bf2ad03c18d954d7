import Basics
import CAllocationMeter
import Foundation
import FuzzTargets

// Reads spoilt files a million times, in child processes, and counts what goes wrong.
// usage: fuzz-benchmark [cases] [seed] [target ...]     targets: yaml pdb prmtop netcdf netcdf4 artifact hdf5 dcd xtc trr mdcrd restart models
// mdtraj, and forged (see FuzzTarget)
// A child is killed by the kernel when a case takes two seconds of processor time, and counts as a hang. A case that holds
// more than four times its input, and more than 64 MiB, counts as greedy.

let limitSeconds = 2
let limitBytes = 64 << 20
let arguments = Array(CommandLine.arguments.dropFirst())
let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// What a child has done so far, in a file that its parent reads when it has died.
struct Progress {
  var next = 0
  var accepted = 0
  var untyped = 0
  var greedy = 0
  var largest = 0
  var slowest = 0.0
}

func targets(_ scratch: URL) throws -> [FuzzTarget] {
  try FuzzTarget.all(package: package, scratch: scratch) + [FuzzTarget.forgedArtifact(scratch)]
}

func temporaryFolder() throws -> URL {
  let parent = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
  let folder = URL(fileURLWithPath: parent).appendingPathComponent("fuzz-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  return folder
}

func processorSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
}

/// The child: cases `first`..<`end` of a target.
func work(_ name: String, seed: UInt64, first: Int, end: Int, notes: String, folder: URL) throws {
  guard let target = try targets(folder).first(where: { $0.name == name }) else { return }
  let descriptor = open(notes, O_WRONLY | O_CREAT, 0o644)
  var progress = Progress()
  func save() { _ = withUnsafeBytes(of: progress) { pwrite(descriptor, $0.baseAddress, $0.count, 0) } }
  for index in first..<end {
    progress.next = index
    save()
    let bytes = target.mutator.bytes(seed: seed, index: index)
    // its default action ends the process
    var timer = itimerval(it_interval: timeval(), it_value: timeval(tv_sec: limitSeconds, tv_usec: 0))
    setitimer(__itimer_which_t(2), &timer, nil)
    let before = allocation_meter_reset()
    let start = processorSeconds()
    switch target.run(bytes, in: folder) {
    case .accepted: progress.accepted += 1
    case .refused: break
    case .untyped(let error):
      progress.untyped += 1
      FileHandle.standardError.write(Data("\(name), case \(index): \(error)\n".utf8))
    }
    progress.slowest = max(progress.slowest, processorSeconds() - start)
    let held = Int(allocation_meter_peak()) - Int(before)
    progress.largest = max(progress.largest, held)
    if held > max(limitBytes, 4 * bytes.count) {
      progress.greedy += 1
      FileHandle.standardError.write(Data("\(name), case \(index): held \(held) bytes for \(bytes.count)\n".utf8))
    }
  }
  progress.next = end
  save()
}

/// The parent: all cases of a target in children of at most `childCases`: the libraries do not free all that a refused file took,
/// and a trial copies the tables of its parent's memory.
let childCases = 2_000

func campaign(_ name: String, cases: Int, seed: UInt64) throws -> (crashes: Int, hangs: Int, greedy: Int, untyped: Int)
{
  let folder = try temporaryFolder()
  defer { try? FileManager.default.removeItem(at: folder) }
  var total = Progress()
  var (crashes, hangs, next) = (0, 0, 0)
  let watch = Stopwatch()
  while next < cases {
    let end = min(cases, next + childCases)
    let notes = folder.appendingPathComponent("notes").path
    unlink(notes)
    let child = Process()
    child.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    child.arguments = ["--work", name, "\(seed)", "\(next)", "\(end)", notes, folder.path]
    child.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
    try child.run()
    child.waitUntilExit()
    var progress = Progress()
    if let data = FileManager.default.contents(atPath: notes), data.count == MemoryLayout<Progress>.size {
      _ = withUnsafeMutableBytes(of: &progress) { data.copyBytes(to: $0) }
    }
    total.accepted += progress.accepted
    total.untyped += progress.untyped
    total.greedy += progress.greedy
    total.largest = max(total.largest, progress.largest)
    total.slowest = max(total.slowest, progress.slowest)
    if child.terminationReason == .exit, child.terminationStatus == 0 {
      next = end
      continue
    }
    if child.terminationReason == .uncaughtSignal, child.terminationStatus == SIGPROF {
      hangs += 1
      print("hang:  \(name), case \(progress.next) of seed \(seed)")
    } else {
      crashes += 1
      print("crash: \(name), case \(progress.next) of seed \(seed): signal or code \(child.terminationStatus)")
    }
    next = progress.next + 1
  }
  print(
    "\(name): \(cases) cases, \(total.accepted) accepted, \(crashes) crashes, \(hangs) hangs, \(total.greedy) greedy, "
      + "\(total.untyped) untyped errors; slowest \(String(format: "%.3f", total.slowest)) s, most memory "
      + "\(total.largest >> 10) KiB; \(Int(Double(cases) / watch.seconds)) cases/s")
  return (crashes, hangs, total.greedy, total.untyped)
}

if arguments.first == "--work", arguments.count == 7, let seed = UInt64(arguments[2]), let first = Int(arguments[3]),
  let end = Int(arguments[4])
{
  try work(
    arguments[1], seed: seed, first: first, end: end, notes: arguments[5], folder: URL(fileURLWithPath: arguments[6]))
  exit(0)
}

setvbuf(stdout, nil, _IOLBF, 0)
let cases = arguments.first.flatMap { Int($0) } ?? 1_000_000
let seed = arguments.dropFirst().first.flatMap { UInt64($0) } ?? 1
let names =
  arguments.count > 2
  ? Array(arguments[2...])
  : [
    "yaml", "pdb", "prmtop", "netcdf", "netcdf4", "artifact", "hdf5", "dcd", "xtc", "trr", "mdcrd", "restart", "models",
    "mdtraj",
  ]
// these start a process for each case: a fiftieth of all is enough to wait for
let slow = Set(["netcdf4", "hdf5", "mdtraj"]).intersection(names)
let few = slow.count < names.count ? cases / 50 : cases / names.count
let many = (cases - few * slow.count) / max(1, names.count - slow.count) + 1
var sums = (crashes: 0, hangs: 0, greedy: 0, untyped: 0)
for name in names {
  let found = try campaign(name, cases: slow.contains(name) ? few : many, seed: seed)
  sums.crashes += found.crashes
  sums.hangs += found.hangs
  sums.greedy += found.greedy
  sums.untyped += found.untyped
}
print(
  "\(cases) cases: \(sums.crashes) crashes, \(sums.hangs) hangs, \(sums.greedy) greedy, \(sums.untyped) untyped errors")
exit(sums == (0, 0, 0, 0) ? 0 : 1)
