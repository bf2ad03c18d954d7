import Foundation
import Testing

@testable import Artifacts

@Suite struct MeasurementTests {
  private func write(_ url: URL, seconds: Double) throws -> String {
    let writer = try ArtifactWriter(url: url)
    try writer.write("x", [1.0, 2.0], shape: [2])
    try writer.writeMeasurement("results/seconds", seconds)
    return try writer.commit(provenance: provenance())
  }

  @Test func clockValuesAreReadableButNotPartOfTheDigest() throws {
    let scratch = try Scratch()
    let first = try write(scratch.file("a.h5"), seconds: 1.25)
    let second = try write(scratch.file("b.h5"), seconds: 7.5)
    #expect(first == second)
    let artifact = try Artifact.open(scratch.file("b.h5"), verify: true)
    #expect(try artifact.scalar("results/seconds", as: Double.self) == 7.5)
    #expect(artifact.provenance.measurements == ["/results/seconds": 7.5])
  }

  @Test func aChangedClockValueIsFound() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.h5")
    _ = try write(url, seconds: 1234.5678)
    var data = try Data(contentsOf: url)
    let bytes = withUnsafeBytes(of: 1234.5678.bitPattern.littleEndian) { Data($0) }
    let place = try #require(data.range(of: bytes))
    data[place.lowerBound] ^= 1
    try data.write(to: url)
    #expect(throws: ArtifactError.self) { try Artifact.open(url, verify: true) }
  }
}
