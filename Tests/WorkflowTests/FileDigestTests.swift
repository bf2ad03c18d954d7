import Foundation
import Testing

@testable import Workflow

@Suite struct FileDigestTests {
  private func digests(_ place: Workplace) -> FileDigests {
    FileDigests(notes: place.folder.appendingPathComponent("notes.json"), settled: 0.05)
  }

  /// Long enough for a file to count as settled.
  private func settle() { usleep(120_000) }

  @Test func readsAFileAgainOnlyAfterItWasTouched() throws {
    let place = try Workplace()
    let url = place.folder.appendingPathComponent("input.nc")
    try place.write("abc", to: "input.nc")
    settle()
    let first = digests(place)
    let digest = try first.digest(url)
    #expect(digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "SHA-256 of abc, FIPS 180-2")
    #expect(first.reads == 1)
    first.save()
    let second = digests(place)
    #expect(try second.digest(url) == digest)
    #expect(second.reads == 0)

    // another content with the same size and the same modification time
    let before = try FileManager.default.attributesOfItem(atPath: url.path)[.modificationDate]
    let handle = try FileHandle(forWritingTo: url)
    try handle.write(contentsOf: Data("abd".utf8))
    try handle.close()
    try FileManager.default.setAttributes([.modificationDate: before as Any], ofItemAtPath: url.path)
    settle()
    let third = digests(place)
    #expect(try third.digest(url) != digest)
    #expect(third.reads == 1)
    third.save()

    // another file in its place
    try FileManager.default.removeItem(at: url)
    try place.write("abc", to: "input.nc")
    let fourth = digests(place)
    #expect(try fourth.digest(url) == digest)
    #expect(fourth.reads == 1)
  }

  @Test func aFileTouchedJustNowIsNotNoted() throws {
    let place = try Workplace()
    try place.write("abc", to: "input.nc")
    let url = place.folder.appendingPathComponent("input.nc")
    let first = FileDigests(notes: place.folder.appendingPathComponent("notes.json"))
    _ = try first.digest(url)
    first.save()
    let second = FileDigests(notes: place.folder.appendingPathComponent("notes.json"))
    _ = try second.digest(url)
    #expect(second.reads == 1)
  }

  @Test func verifyDoesNotTrustTheNotes() throws {
    let place = try Workplace()
    try place.write("abc", to: "input.nc")
    let url = place.folder.appendingPathComponent("input.nc")
    settle()
    let first = digests(place)
    _ = try first.digest(url)
    first.save()
    #expect(digests(place).verify().map(\.problem) == [nil])
    // notes that are wrong, as after a change that left no trace
    let notes = place.folder.appendingPathComponent("notes.json")
    let text = try String(contentsOf: notes, encoding: .utf8).replacingOccurrences(of: "ba7816bf", with: "00000000")
    try text.write(to: notes, atomically: true, encoding: .utf8)
    let wrong = digests(place)
    #expect(wrong.verify().map(\.problem) == ["its content is not what it was, though its size and times are"])
    wrong.save()
    let after = digests(place)
    #expect(try after.digest(url).hasPrefix("ba7816bf"))
    #expect(after.reads == 1)
    // notes that are no notes
    try "{".write(to: notes, atomically: true, encoding: .utf8)
    #expect(try digests(place).digest(url).hasPrefix("ba7816bf"))
  }
}
