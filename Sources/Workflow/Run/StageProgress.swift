import Artifacts
import Basics
import Foundation

/// How far a running stage is, as its process notes it in the run folder once a second: `.STAGE.progress`.
///
/// It is a cache: whoever deletes it loses nothing, and the stage knows nothing of it. It goes when the stage ends.
public struct StageProgress: Codable, Equatable, Sendable {
  public let stage: String
  public let started, updated: Date
  public let host: String
  public let process: Int32
  public let threads: Int
  public let work: StageWork?  // Nil between two pieces of work
  public let warnings: [String]  // So far
  /// "note" or "warning" for each of these; nil in a note of an older program.
  public var words: [String]?
  let place: ProcessPlace

  /// Its process was killed: nobody renews the note.
  public internal(set) var isGone = false

  private enum CodingKeys: String, CodingKey {
    case stage, started, updated, host, process, threads, work, warnings, words, place
  }

  /// "note: ...", "warning: ..."; one each.
  public var said: [(word: String, text: String)] {
    warnings.enumerated().map { place, text in
      (words.flatMap { place < $0.count ? $0[place] : nil } ?? "warning", text)
    }
  }

  /// On one line.
  public var text: String { isGone ? "its process \(process) on \(host) is gone" : work?.text ?? "at work" }

  var json: ParameterValue {
    [
      "started": .string(started.formatted(.iso8601)), "updated": .string(updated.formatted(.iso8601)),
      "host": .string(host), "process": .integer(Int(process)), "threads": .integer(threads), "gone": .bool(isGone),
      "work": work?.json ?? .null, "warnings": .list(warnings.map { .string($0) }),
    ]
  }

  static let ending = ".progress"

  static func file(_ folder: RunFolder, _ stage: String) -> URL {
    folder.url.appendingPathComponent(".\(stage)\(ending)")
  }

  static func isNote(_ name: String) -> Bool {
    name.hasPrefix(".") && name.hasSuffix(ending) && name.count > 1 + ending.count
  }

  /// Nil where there is none that can be read.
  static func read(_ file: URL) -> StageProgress? {
    guard let data = try? FileSystem.read(file), data.count < 1 << 20 else { return nil }
    // a note may be spoilt like any file
    guard let note = try? decoder.decode(StageProgress.self, from: data), note.work?.isSound ?? true else { return nil }
    return note
  }

  func write(to file: URL) throws { try FileSystem.write(Self.encoder.encode(self), to: file) }

  private static let encoder: JSONEncoder = {
    let encoder = JSONEncoder()
    (encoder.dateEncodingStrategy, encoder.outputFormatting) = (.iso8601, .sortedKeys)
    return encoder
  }()

  private static let decoder: JSONDecoder = {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    return decoder
  }()
}

extension RunFolder {
  /// What running stages have noted of themselves, by stage. That the process of one is gone is known by its number on this host, and by the
  /// folder's locks and leases of one elsewhere.
  public func progress() -> [String: StageProgress] {
    var someone: Bool?
    func isHeld() -> Bool {
      someone = someone ?? (mode != .exclusive && holder() != nil)
      return someone ?? false
    }
    let notes = progressNotes.compactMap { progress(note: $0, isHeld: isHeld) }
    return Dictionary(notes.map { ($0.stage, $0) }, uniquingKeysWith: { $1 })
  }

  /// A note by its file's name; nil where it cannot be read.
  func progress(note name: String) -> StageProgress? {
    progress(note: name) { mode != .exclusive && holder() != nil }
  }

  private func progress(note name: String, isHeld: () -> Bool) -> StageProgress? {
    guard var note = StageProgress.read(url.appendingPathComponent(name)) else { return nil }
    note.isGone = note.place.isElsewhere ? !isHeld() : !note.place.isAtWork
    return note
  }

  private var progressNotes: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).filter(StageProgress.isNote)
  }

  /// The stage has ended, however it did.
  func removeProgress(_ stage: String) { try? FileSystem.unlink(StageProgress.file(self, stage)) }

  /// Of runs that are gone: the caller alone works here.
  func removeAllProgress() {
    for name in progressNotes { try? FileSystem.unlink(url.appendingPathComponent(name)) }
  }
}

/// Shows a stage's progress, and notes it in the run folder for other processes.
///
/// The stage only leaves word. A thread of its own writes, at most once a second and in at most a hundredth of the time, so that no disk holds
/// the stage up; what cannot be written is left. A stage that ends within the first second leaves no note at all.
final class NotedProgress: Basics.ProgressReporting, @unchecked Sendable {
  /// s between two notes.
  nonisolated(unsafe) static var interval = 1.0

  private let display: any Basics.ProgressReporting
  private let stage: String
  private let threads: Int
  private let started = Date()
  private let lock = NSLock()  // Guards what follows
  private var meter: WorkMeter?
  private var histories: [String: MetricHistory] = [:]
  private var remarks: [Remark] = []
  private var hasChanged = true
  private let writing = NSLock()  // Guards the file, and what follows
  /// Nil when the stage has ended: the thread must not keep the folder, which is locked as long as it is there.
  private var folder: RunFolder?
  private var hasFile = false  // Something may have been written
  private let ending = DispatchSemaphore(value: 0)

  init(_ display: any Basics.ProgressReporting, stage: String, in folder: RunFolder, threads: Int) {
    (self.display, self.stage, self.folder, self.threads) = (display, stage, folder, threads)
    let thread = Thread { [self] in run() }
    thread.stackSize = 512 << 10
    thread.start()
  }

  func begin(_ title: String, total: Int, unit: String) {
    display.begin(title, total: total, unit: unit)
    lock.withLock {
      (meter, histories, hasChanged) = (WorkMeter(title, total: total, unit: unit), [:], true)
    }
  }

  func update(completed: Int, metrics: [(name: String, value: String)]) {
    display.update(completed: completed, metrics: metrics)
    let now = Double(DispatchTime.now().uptimeNanoseconds) * 1e-9
    lock.withLock {
      _ = meter?.update(completed: completed, metrics: metrics, at: now)
      for (name, value) in metrics {
        if let number = Double(value) { histories[name, default: MetricHistory()].add(number) }
      }
      hasChanged = true
    }
  }

  func end() {
    display.end()
    lock.withLock { (meter, hasChanged) = (nil, true) }
  }

  func warn(_ remark: Remark) { lock.withLock { (remarks, hasChanged) = (remarks + [remark], true) } }

  /// The stage has ended: nothing is written any more, and the note is gone.
  func close() {
    display.end()
    ending.signal()
    writing.withLock {
      if hasFile { folder?.removeProgress(stage) }
      folder = nil
    }
  }

  private func run() {
    var pause = Self.interval
    while ending.wait(timeout: .now() + pause) == .timedOut {
      guard let note = lock.withLock({ hasChanged ? note() : nil }) else { continue }
      let watch = Stopwatch()
      writing.withLock {
        // whoever has lost the folder to another run writes nothing more
        guard let folder, (try? folder.checkPlace()) != nil else { return }
        hasFile = true
        try? note.write(to: StageProgress.file(folder, stage))
      }
      pause = max(Self.interval, 100 * watch.seconds)
    }
  }

  private func note() -> StageProgress {
    hasChanged = false
    var work = meter?.work
    for index in work?.metrics.indices ?? 0..<0 {
      guard let name = work?.metrics[index].name, let history = histories[name] else { continue }
      // as many digits as a course needs
      work?.metrics[index].history = history.points.map { Double(String(format: "%.5g", $0)) ?? $0 }
    }
    return StageProgress(
      stage: stage, started: started, updated: Date(), host: FileSystem.host, process: getpid(), threads: threads,
      work: work, warnings: remarks.map(\.message), words: remarks.map(\.word), place: .own)
  }
}
