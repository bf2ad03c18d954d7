import Foundation
import TestSupport
import Testing

/// docs/reliability.md promises that intervals are measured by a clock that nobody can set: `Stopwatch`, not the time of day.
@Suite struct ClockTests {
  @Test(arguments: ["Stages", "Generative", "FreeEnergies", "ForceFields", "Molecules", "Trajectories"])
  func noIntervalGoesByTheTimeOfDay(module: String) throws {
    let folder = Package.root.appendingPathComponent("Sources/\(module)")
    let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
    let sources = files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
    #expect(!sources.isEmpty)
    let found = try sources.filter { try String(contentsOf: $0, encoding: .utf8).contains("Date()") }
    #expect(found.map(\.lastPathComponent) == [])
  }
}
