import Foundation
import TestSupport
import Testing

@testable import Artifacts

@Suite struct CheckpointStoreTests {
  private func save(_ store: CheckpointStore, _ steps: Int...) throws {
    for step in steps { try store.save(step: step) { try $0.write("weights", [Double(step)], shape: [1]) } }
  }

  private func weight(_ artifact: Artifact) throws -> Double {
    try artifact.read("weights", as: Double.self).values[0]
  }

  @Test func theNewestOfTwoGenerationsComesBack() throws {
    let scratch = try Scratch()
    let store = CheckpointStore(folder: scratch.url, stage: "emulator", key: "k")
    #expect(try store.latest() == nil)
    try save(store, 10)
    #expect(scratch.names == ["emulator.ckpt-A.h5"])
    try save(store, 20, 30)
    #expect(scratch.names == ["emulator.ckpt-A.h5", "emulator.ckpt-B.h5"])
    // another process, later
    let later = CheckpointStore(folder: scratch.url, stage: "emulator", key: "k")
    let found = try #require(try later.latest())
    #expect(found.step == 30)
    #expect(try weight(found.artifact) == 30)
    #expect(found.warning == nil)
    try save(later, 40)
    #expect(try #require(try store.latest()).step == 40)
    try store.removeAll()
    #expect(scratch.names.isEmpty)
    try store.removeAll()
  }

  /// The time of a stage is that of all its sittings; what a sitting did after its last checkpoint is lost, and its time with it.
  @Test func timeAddsUpOverSittings() throws {
    let scratch = try Scratch()
    func store() -> CheckpointStore { CheckpointStore(folder: scratch.url, stage: "s", key: "k") }
    let first = store()
    #expect(try first.latest() == nil)
    usleep(60_000)
    try save(first, 1)
    usleep(200_000)
    let second = store()
    _ = try second.latest()
    let once = second.earlierSeconds
    #expect(once > 0.055 && once < 0.2, "\(once)")
    usleep(60_000)
    try save(second, 2)
    // what this sitting saved itself is not an earlier one's
    _ = try second.latest()
    #expect(second.earlierSeconds == once)
    let third = store()
    _ = try third.latest()
    #expect(third.earlierSeconds > once + 0.055)
    // parts count alike
    let parts = CheckpointStore(folder: scratch.url, stage: "p", key: "k")
    #expect(try parts.parts().isEmpty && parts.earlierSeconds == 0)
    usleep(60_000)
    try parts.commitPart(try parts.beginPart(0), index: 0, step: 5)
    let later = CheckpointStore(folder: scratch.url, stage: "p", key: "k")
    #expect(try later.parts().count == 1 && later.earlierSeconds > 0.055)
  }

  @Test func aStoreThatNeverLookedWritesOverTheOlder() throws {
    let scratch = try Scratch()
    try save(CheckpointStore(folder: scratch.url, stage: "s", key: "k"), 1, 2, 3)
    try save(CheckpointStore(folder: scratch.url, stage: "s", key: "k"), 4)
    let found = try #require(try CheckpointStore(folder: scratch.url, stage: "s", key: "k").latest())
    #expect(found.step == 4)
    let other = try Artifact.open(scratch.file("s.ckpt-A.h5"), verify: true)
    #expect(try weight(other) == 3)
  }

  @Test(arguments: [false, true])
  func aDamagedNewestFallsBackWithAWarning(truncate: Bool) throws {
    let scratch = try Scratch()
    try save(CheckpointStore(folder: scratch.url, stage: "s", key: "k"), 1, 2)
    let newest = scratch.file("s.ckpt-B.h5")
    var data = try Data(contentsOf: newest)
    if truncate {
      data = data.prefix(data.count / 2)
    } else {
      let place = try #require(data.range(of: withUnsafeBytes(of: 2.0) { Data($0) }))
      data[place.lowerBound + 6] ^= 1
    }
    try data.write(to: newest)
    let store = CheckpointStore(folder: scratch.url, stage: "s", key: "k")
    let found = try #require(try store.latest())
    #expect(found.step == 1)
    #expect(try weight(found.artifact) == 1)
    let warning = try #require(found.warning)
    #expect(warning.contains("s.ckpt-B.h5"))
    #expect(warning.contains("step 1"))
    // the next one replaces the damaged file, not the sound one
    try save(store, 3)
    let after = try #require(try CheckpointStore(folder: scratch.url, stage: "s", key: "k").latest())
    #expect(after.step == 3)
    #expect(after.warning == nil)
  }

  @Test func bothDamagedIsNoneWithWarnings() throws {
    let scratch = try Scratch()
    try save(CheckpointStore(folder: scratch.url, stage: "s", key: "k"), 1, 2)
    for name in scratch.names { try Data("x".utf8).write(to: scratch.file(name)) }
    let store = CheckpointStore(folder: scratch.url, stage: "s", key: "k")
    #expect(try store.latest() == nil)
    #expect(store.warnings.count == 2)
    try save(store, 5)
    #expect(try #require(try store.latest()).step == 5)
  }

  @Test func anotherKeyIsNotUsed() throws {
    let scratch = try Scratch()
    try save(CheckpointStore(folder: scratch.url, stage: "s", key: "old"), 1, 2)
    let store = CheckpointStore(folder: scratch.url, stage: "s", key: "new")
    #expect(try store.latest() == nil)
    try save(store, 1)
    #expect(try #require(try store.latest()).step == 1)
  }

  @Test func aFailingFillLeavesBothGenerations() throws {
    struct Failure: Error {}
    let scratch = try Scratch()
    let store = CheckpointStore(folder: scratch.url, stage: "s", key: "k")
    try save(store, 1, 2)
    #expect(throws: Failure.self) { try store.save(step: 3) { _ in throw Failure() } }
    #expect(scratch.names == ["s.ckpt-A.h5", "s.ckpt-B.h5"])
    #expect(try #require(try store.latest()).step == 2)
  }
}
