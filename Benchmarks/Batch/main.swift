import Basics
import Foundation

// What the engine costs where a batch is large.
// usage: batch-benchmark [cells] [seconds] [jobs] [folder]
//          stand-in stages that wait so long: planning, cost of a stage in one process and with so many side by side, memory, status
//        batch-benchmark chain [cells] [folder]
//          ingest, emulator, sample, reweight of the least size that runs, and one report over all, by the program itself:
//          status, report, files and bytes
// The pipeline program stands beside this one. Without a folder, a temporary one is used and removed.

let words = Array(CommandLine.arguments.dropFirst())
setvbuf(stdout, nil, _IOLBF, 0)
if let first = words.first, ["check", "run", "stage", "status"].contains(first) { exit(try StandIns.part(words)) }

let isChain = words.first == "chain"
let numbers = Array(words.dropFirst(isChain ? 1 : 0))
let cells = numbers.first.flatMap { Int($0) } ?? 2000
let given = numbers.count > (isChain ? 1 : 3) ? numbers[isChain ? 1 : 3] : nil
let folder =
  given.map { URL(fileURLWithPath: $0, isDirectory: true) }
  ?? FileManager.default.temporaryDirectory.appendingPathComponent("batch-\(UUID().uuidString)")
try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()

/// Runs a program to its end. Returns its exit code and the seconds it took; what it prints goes where this program's output goes, or to a
/// file.
func call(_ program: URL, _ words: [String], to file: URL? = nil) throws -> (code: Int32, seconds: Double) {
  let process = Process()
  process.executableURL = program
  process.arguments = words
  process.currentDirectoryURL = folder
  process.environment = ProcessInfo.processInfo.environment.merging(["OMP_WAIT_POLICY": "passive"]) { $1 }
  if let file {
    _ = FileManager.default.createFile(atPath: file.path, contents: nil)
    let handle = try FileHandle(forWritingTo: file)
    (process.standardOutput, process.standardError) = (handle, handle)
  }
  let watch = Stopwatch()
  try process.run()
  process.waitUntilExit()
  return (process.terminationStatus, watch.seconds)
}

/// Files and bytes below a folder.
func contents(_ url: URL) -> (files: Int, bytes: Int, blocks: Int) {
  var found = (files: 0, bytes: 0, blocks: 0)
  for case let name as String in FileManager.default.enumerator(atPath: url.path) ?? .init() {
    var status = stat()
    guard lstat(url.appendingPathComponent(name).path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      continue
    }
    found = (found.files + 1, found.bytes + Int(status.st_size), found.blocks + 512 * Int(status.st_blocks))
  }
  return found
}

func line(_ name: String, _ text: String) {
  print("  \(name.padding(toLength: 34, withPad: " ", startingAt: 0))\(text)")
}
func report(_ url: URL) {
  let found = contents(url)
  let megabytes = { (bytes: Int) in NumberText.fixed(Double(bytes) / 1e6, 1) + " MB" }
  line("files (an inode each)", "\(found.files), \(megabytes(found.bytes)), \(megabytes(found.blocks)) on the disk")
}

var code: Int32 = 0
let runs = folder.appendingPathComponent("runs")
if isChain {
  let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  try Data(Chain.text(cells: cells, data: package.appendingPathComponent("datasets/alanine").path).utf8).write(
    to: folder.appendingPathComponent("chain.yaml"))
  let program = own.deletingLastPathComponent().appendingPathComponent("pipeline")
  let log = folder.appendingPathComponent("log.txt")
  print("\(cells) molecules, \(4 * cells) stages and a report")
  func command(_ name: String, _ words: [String]) throws {
    let result = try call(program, words, to: log)
    let bytes = (try? FileManager.default.attributesOfItem(atPath: log.path)[.size] as? Int) ?? 0
    line(name, "\(StandIns.seconds(result.seconds)), \(bytes) bytes of text, exit code \(result.code)")
    code = max(code, result.code)
  }
  try command("check", ["check", "chain.yaml"])
  try command("run", ["run", "chain.yaml", "--threads", "1"])
  try command("status", ["status", "chain.yaml"])
  try command("status again", ["status", "chain.yaml"])
  try command("run of a finished batch", ["run", "chain.yaml", "--threads", "1"])
  let page = runs.appendingPathComponent("chain/report.html")
  try? FileManager.default.removeItem(at: page)
  try command("report, drawn again", ["report", "chain.yaml"])
  line("the report's page", "\((try? Data(contentsOf: page))?.count ?? 0) bytes")
} else {
  let seconds = numbers.count > 1 ? Double(numbers[1]) ?? 1 : 1
  let jobs = numbers.count > 2 ? numbers[2] : "2"
  try Data(StandIns.text(cells: cells, seconds: seconds).utf8).write(to: folder.appendingPathComponent("batch.yaml"))
  print("\(cells) stages of \(seconds) s and one that reads them all")
  for part in [["check"], ["run", "-"], ["status"], ["status"], ["run", jobs], ["status"]] {
    if part.count > 1 { try? FileManager.default.removeItem(at: runs) }
    code = max(code, try call(own, [part[0], folder.path] + part.dropFirst()).code)
  }
}
report(runs)
if given == nil { try? FileManager.default.removeItem(at: folder) }
exit(code)
