import Foundation

// Lets every system call that the store makes in a run of four tiny stages fail in turn, with each error that Linux documents for it.
// Afterwards the run is complete, or it ended by a message that names path, call and way out, and the next run completes it; what is a
// user's own in the folder stays as it was.
// usage: store-fault-benchmark [faults to try, spread over all; default: all of them]
//        store-fault-benchmark CALL NUMBER ERRNO     (one of them)

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.count == 2, arguments[0] == "run" {
  exit(TinyRun.carryOut(URL(fileURLWithPath: arguments[1], isDirectory: true)))
}

let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()
let work = FileManager.default.temporaryDirectory.appendingPathComponent("faults-\(UUID().uuidString)")
try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
defer { try? FileManager.default.removeItem(at: work) }
guard let campaign = try Campaign(work: work, source: package.appendingPathComponent("Tests/Fixtures/faults/faults.c"))
else {
  print("there is no C compiler here: nothing was tried")
  exit(77)
}
let all = try campaign.faults()
if arguments.count == 3, let number = Int(arguments[1]), let code = Int32(arguments[2]) {
  let outcome = try campaign.attempt(
    .init(call: arguments[0], number: number, isLasting: false, code: code), name: "one")
  print(outcome)
  if case .wrong = outcome { exit(1) }
  exit(0)
}
let wanted = arguments.first.flatMap { Int($0) } ?? all.count
// spread evenly, by a step that meets each call and each error
let chosen = wanted >= all.count ? all : (0..<wanted).map { all[$0 * all.count / wanted] }
let lock = NSLock()
nonisolated(unsafe) var (completed, ended, wrong) = (0, 0, 0)
DispatchQueue.concurrentPerform(iterations: chosen.count) { index in
  let fault = chosen[index]
  let outcome: Campaign.Outcome
  do { outcome = try campaign.attempt(fault, name: "fault-\(index)") } catch { outcome = .wrong("\(error)") }
  lock.withLock {
    switch outcome {
    case .completed: completed += 1
    case .endedByMessage: ended += 1
    case .wrong(let what):
      wrong += 1
      print("WRONG  \(fault.text): \(what)")
    }
  }
}
print(
  "\(chosen.count) of \(all.count) faults: \(completed) runs completed, \(ended) ended by a message and were completed by the next, \(wrong) wrong"
)
try? FileManager.default.removeItem(at: work)
exit(wrong == 0 ? 0 : 1)
