import Artifacts
import Basics
import Foundation

/// Notes of a run folder, one JSON object by name, to which several processes add at the same time.
///
/// Nobody waits long for the lock, and what cannot be written is left: whoever cannot do without a note asks whether it was.
enum SharedNotes {
  static func read<Note: Decodable>(_ file: URL) -> [String: Note] {
    (try? Data(contentsOf: file)).flatMap { try? JSONDecoder().decode([String: Note].self, from: $0) } ?? [:]
  }

  /// Writes these notes and keeps those of other names that others have written since. Nil removes a note. False where
  /// nothing could be written.
  static func merge<Note: Codable>(_ changes: [String: Note?], into file: URL) -> Bool {
    let folder = file.deletingLastPathComponent()
    let descriptor = FileCalls.open(folder.appendingPathComponent(".notes.lock").path, O_RDWR | O_CREAT)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    guard waitForLock(descriptor) else { return false }
    var notes: [String: Note] = [:]
    if FileCalls.presence(file.path) != .absent {
      // what cannot be read now must not be written over
      guard let data = try? FileSystem.read(file) else { return false }
      notes = (try? JSONDecoder().decode([String: Note].self, from: data)) ?? [:]
    }
    for (name, note) in changes { notes[name] = note }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    guard let data = try? encoder.encode(notes) else { return false }
    return (try? FileSystem.write(data, to: file)) != nil
  }

  /// At most two seconds: the holder may be a process that was stopped. Where there are no locks, a note that two write at once is lost.
  private static func waitForLock(_ descriptor: Int32) -> Bool {
    for _ in 0..<200 {
      switch FileCalls.lock(descriptor, exclusive: true) {
      case .held, .unsupported: return true
      case .failed: return false
      case .taken: usleep(10_000)
      }
    }
    return false
  }
}
