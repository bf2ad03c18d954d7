import Artifacts
import Foundation

/// What was submitted at one time: the jobs, and all they need to know. Kept in the run folder as
/// `<system>/<number>/submission.json`.
struct SubmissionRecord: Codable, Equatable {
  struct Task: Codable, Equatable {
    var id: Int?  // Within the array; nil for a job that is none
    var stages: [String]  // In the order in which they run
  }

  struct Job: Codable, Equatable {
    var name: String
    var tasks: [Task]
    var cpus: Int?
    var requeueLimit: Int
    var number: String?  // The batch system's; nil until it has answered
  }

  var identifier: String  // In the comment of every job, by which they are found again
  var date: Date
  var program: String
  var file: String  // Absolute
  var shownFile: String  // As the user named it
  var overrides: [String]
  var workingFolder: String
  var threads: Int?  // `--threads`
  var checkpointInterval: Double  // In s
  var jobs: [Job]
  var definitions: [String: String]  // By stage: what it was to be, without the content of its inputs

  static let commentMark = "boltzmill"

  func comment(of job: Int) -> String { "\(Self.commentMark) \(identifier) \(job)" }
}

/// What a task has said of itself so far, in a file of its own beside the submission's.
struct TaskNote: Codable, Equatable {
  enum State: String, Codable {
    case running, waiting, finished, failed, interrupted, requeued
    case notRun  // A stage before it in the same task failed
  }

  struct Stage: Codable, Equatable {
    var state: State
    var message: String?
  }

  var state: State
  var job: String  // `12` or `12_3`
  var host: String
  var since: Date
  var starts = 0  // How often it was started
  var fruitless = 0  // How often in a row it was started and had not got on
  var mark: String?  // Where it stood at its last start: a stage and the step of its checkpoint
  var message: String?
  var stages: [String: Stage] = [:]
}

struct SubmissionStore {
  let folder: URL
  private let cancelProgram: String

  init(_ run: RunFolder, _ system: any BatchSystem) {
    folder = run.url.appendingPathComponent(system.name.lowercased(), isDirectory: true)
    cancelProgram = system.cancelProgram
  }

  /// From 1.
  var numbers: [Int] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).compactMap(Int.init).filter {
      $0 > 0 && FileManager.default.fileExists(atPath: record($0).path)
    }.sorted()
  }

  func place(_ number: Int) -> URL { folder.appendingPathComponent("\(number)", isDirectory: true) }
  func record(_ number: Int) -> URL { place(number).appendingPathComponent("submission.json") }

  func note(_ number: Int, job: SubmissionRecord.Job, task: Int?) -> URL {
    // a stage's name has no +
    place(number).appendingPathComponent(job.name + (task.map { "+\($0)" } ?? "") + ".json")
  }

  /// Throws `BatchError.badRecord`.
  func read(_ number: Int) throws -> SubmissionRecord {
    do { return try Self.decoder.decode(SubmissionRecord.self, from: Data(contentsOf: record(number))) } catch {
      throw bad(number, "\(error)")
    }
  }

  func bad(_ number: Int, _ reason: String) -> BatchError {
    .badRecord(file: record(number).path, reason: reason, cancelProgram: cancelProgram)
  }

  func readNote(_ file: URL) -> TaskNote? {
    (try? Data(contentsOf: file)).flatMap { try? Self.decoder.decode(TaskNote.self, from: $0) }
  }

  func write(_ record: SubmissionRecord, _ number: Int) throws { try write(record, to: self.record(number)) }

  func write(_ value: some Encodable, to file: URL) throws {
    do {
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try FileSystem.write(Self.encoder.encode(value), to: file, forced: true)
    } catch let error as ArtifactError {
      throw EngineError.folder(path: file.path, reason: "cannot be written: \(error)")
    } catch { throw EngineError.folder(path: file.path, reason: "cannot be written: \(error.localizedDescription)") }
  }

  private static let decoder: JSONDecoder = {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    return decoder
  }()

  private static let encoder: JSONEncoder = {
    let encoder = JSONEncoder()
    encoder.dateEncodingStrategy = .iso8601
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return encoder
  }()
}
