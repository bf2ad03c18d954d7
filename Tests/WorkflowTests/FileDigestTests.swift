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

  /// A time that somebody set to the future is as good as any other: the kernel's own time of the last change tells a later one.
  @Test func aTimeInTheFutureIsRemembered() throws {
    let place = try Workplace()
    try place.write("abc", to: "input.nc")
    let url = place.folder.appendingPathComponent("input.nc")
    try FileManager.default.setAttributes(
      [.modificationDate: Date().addingTimeInterval(9 * 365 * 86_400)], ofItemAtPath: url.path)
    settle()
    let first = digests(place)
    let digest = try first.digest(url)
    first.save()
    let second = digests(place)
    #expect(try second.digest(url) == digest && second.reads == 0)
    // another content under the same time
    let before = try FileManager.default.attributesOfItem(atPath: url.path)[.modificationDate]
    try Data("abd".utf8).write(to: url)
    try FileManager.default.setAttributes([.modificationDate: before as Any], ofItemAtPath: url.path)
    settle()
    let third = digests(place)
    #expect(try third.digest(url) != digest)
    third.save()
  }

  /// A file server whose clock is ahead: its times tell nothing yet. What looked the same some seconds ago and was read since is noted.
  @Test func aClockThatIsAheadIsWaitedFor() throws {
    func stamp(modified: Int, changed: Int) -> FileStamp {
      var status = stat()
      (status.st_mtim.tv_sec, status.st_ctim.tv_sec) = (modified, changed)
      return FileStamp(status)
    }
    #expect(stamp(modified: 1000, changed: 1000).isSettled(at: 1003, after: 2))
    #expect(!stamp(modified: 1000, changed: 1000).isSettled(at: 1001, after: 2))
    #expect(stamp(modified: 9000, changed: 1000).isSettled(at: 1003, after: 2))
    #expect(!stamp(modified: 9000, changed: 9000).isSettled(at: 1003, after: 2))
    #expect(stamp(modified: 9000, changed: 9000).isAhead(of: 1003))
    #expect(!stamp(modified: 9000, changed: 1000).isAhead(of: 1003))
    // a clock that went back by a year, as the kernel's time of change says
    let place = try Workplace()
    try place.write("abc", to: "input.nc")
    let url = place.folder.appendingPathComponent("input.nc")
    var reads: [Int] = []
    for look in 0..<3 {
      let digests = FileDigests(notes: place.folder.appendingPathComponent("notes.json"), settled: 0.05) {
        Date().timeIntervalSince1970 - 31_000_000
      }
      _ = try digests.digest(url)
      digests.save()
      reads.append(digests.reads)
      if look < 2 { settle() }
    }
    #expect(reads == [1, 1, 0])
  }

  /// Two names that Unicode takes for one are two files.
  @Test func namesAreBytes() throws {
    let place = try Workplace()
    let names = ["caf\u{e9}.nc", "cafe\u{301}.nc", "100%.nc"]
    for (index, name) in names.enumerated() { try place.write("abc\(index)", to: name) }
    settle()
    let urls = names.map { place.folder.appendingPathComponent($0) }
    let first = digests(place)
    let found = try urls.map { try first.digest($0) }
    #expect(Set(found).count == 3)
    first.save()
    let second = digests(place)
    #expect(try urls.map { try second.digest($0) } == found)
    #expect(second.reads == 0)
    #expect(second.verify().map(\.problem) == [nil, nil, nil])
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
