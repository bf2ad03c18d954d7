import Basics
import Foundation
import Molecules
import Workflow

/// Files of a peptide that a pipeline names by its sequence: made once, and kept in the user's cache for all pipelines.
///
/// The folder is `boltzmill/peptides` of XDG_CACHE_HOME, or of .cache in the home folder. What is in it can be removed at any time; it is made
/// again. The program that makes files, and the libraries it has, are in the folder's name: others make files of their own.
struct PreparedPeptide {
  let topology, system: URL

  private static let forceField = PeptidePreparation.forceFields[0]
  private static let cutoff = 2.0  // nm
  private static let lock = NSLock()
  private static let names = ["topology.pdb", "system.xml"]

  static let summary = "\(forceField), cutoff \(NumberText.significant(cutoff)) nm, as `pipeline prepare` does"

  /// Throws `PeptideSequenceError`, `PreparationError`, and errors of the file system.
  init(_ value: ParameterValue) throws { try self.init(sequence: value.string ?? "", cache: Self.cache()) }

  init(sequence: String, cache: URL) throws {
    let peptide = try PeptideSequence(sequence)
    let preparation = try PeptidePreparation()
    let folder = cache.appendingPathComponent(
      "\(Self.forceField)-\(preparation.identity)/\(peptide.text)", isDirectory: true)
    let files = Self.names.map { folder.appendingPathComponent($0) }
    (topology, system) = (files[0], files[1])
    func areThere() -> Bool { files.allSatisfy { FileManager.default.fileExists(atPath: $0.path) } }
    try Self.lock.withLock {
      guard !areThere() else { return }
      // beside the folder, then moved: another process may be at it too, and whoever is first is taken
      let draft = cache.appendingPathComponent(".draft-\(UUID().uuidString)", isDirectory: true)
      defer { try? FileManager.default.removeItem(at: draft) }
      let parent = folder.deletingLastPathComponent()
      do {
        try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
      } catch {
        throw PreparationError.cache(folder: parent.path)
      }
      _ = try preparation.run(peptide, forceField: Self.forceField, cutoff: Self.cutoff, output: draft)
      do {
        // what a cleaner left of an older one
        if FileManager.default.fileExists(atPath: folder.path), !areThere() {
          try FileManager.default.removeItem(at: folder)
        }
        try FileManager.default.moveItem(at: draft, to: folder)
      } catch {
        guard areThere() else { throw error }
      }
    }
  }

  private static func cache() -> URL {
    let environment = ProcessInfo.processInfo.environment
    let base =
      environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? URL(fileURLWithPath: $0, isDirectory: true) : nil }
      ?? FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(".cache", isDirectory: true)
    return base.appendingPathComponent("boltzmill/peptides", isDirectory: true)
  }
}
