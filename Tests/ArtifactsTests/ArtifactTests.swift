import Basics
import Foundation
import HDF5
import TestSupport
import Testing

@testable import Artifacts

@Suite struct ArtifactTests {
  @Test func everythingWrittenComesBack() throws {
    let scratch = try Scratch()
    let url = scratch.file("frames.h5")
    let digest = try writeSample(url)
    let artifact = try Artifact.open(url, verify: true)
    #expect(artifact.provenance.contentDigest == digest)
    var expected = provenance(warnings: ["one"])
    expected.contentDigest = digest
    #expect(artifact.provenance == expected)

    let coordinates = try artifact.read("coordinates", as: Float.self)
    #expect(coordinates.shape == [10, 20, 3])
    let written: [Float] = (0..<600).map { Float($0) * 0.1 }
    #expect(coordinates.values == written)
    let rows = try artifact.read("/coordinates", as: Double.self, rows: 3..<5)
    #expect(rows.shape == [2, 20, 3])
    #expect(rows.values == coordinates.values[180..<300].map(Double.init))
    #expect(try artifact.scalar("results/delta_f", as: Double.self) == 3.86)
    #expect(try artifact.readStrings("results/names") == ["phi", "ψ"])
    #expect(try artifact.readString("topology") == "{\"atoms\":[]}")
    #expect(try artifact.attribute("coordinates", "units") == "nanometers")
    #expect(try artifact.attribute("coordinates", "dims") == "frame,atom,axis")
    #expect(try artifact.attribute("", "conventions") == "Pande")
    #expect(try artifact.attribute("results", "states") == "2")
    #expect(try artifact.list("results") == ["counts", "delta_f", "names"])
    #expect(try artifact.isGroup("results"))
    #expect(try artifact.typeName("coordinates") == "float32")
    #expect(!artifact.exists("results/none"))
    #expect(throws: HDF5Error.notFound(file: url.path, path: "/results/none")) { try artifact.shape("results/none") }
    expectError(saying: "energies") { try artifact.scalar("energies", as: Double.self) }
    expectError(saying: "topology holds", "cannot be read as float64") {
      try artifact.read("topology", as: Double.self)
    }
  }

  @Test func streamsEqualOneWrite() throws {
    let scratch = try Scratch()
    let values = (0..<3000).map { Double($0) }
    let whole = try ArtifactWriter(url: scratch.file("whole.h5"))
    try whole.write("x", values, shape: [1000, 3], units: "nm", dims: ["frame", "axis"])
    let streamed = try ArtifactWriter(url: scratch.file("streamed.h5"))
    try streamed.createAppendable("x", Double.self, rowShape: [3], units: "nm", dims: ["frame", "axis"])
    try streamed.append("x", Array(values[0..<3]))
    try streamed.append("x", Array(values[3..<2100]))
    try streamed.append("x", [Double]())
    try streamed.append("x", Array(values[2100...]))
    expectError(saying: "float32") { try streamed.append("x", [Float(1), 2, 3]) }
    expectError(saying: "y: createAppendable must come before append") { try streamed.append("y", [1.0]) }
    #expect(try whole.commit(provenance: provenance()) == streamed.commit(provenance: provenance()))
    #expect(try Artifact.open(scratch.file("streamed.h5"), verify: true).shape("x") == [1000, 3])
  }

  @Test func anEmptyStreamIsAnEmptyDataset() throws {
    let scratch = try Scratch()
    let writer = try ArtifactWriter(url: scratch.file("empty.h5"))
    try writer.createAppendable("x", Float.self, rowShape: [22, 3])
    try writer.write("none", [Double](), shape: [0, 4])
    try writer.commit(provenance: provenance())
    let artifact = try Artifact.open(scratch.file("empty.h5"), verify: true)
    #expect(try artifact.read("x", as: Float.self).shape == [0, 22, 3])
    #expect(try artifact.read("none", as: Double.self).values.isEmpty)
  }

  @Test func digestDependsOnContentAlone() throws {
    let scratch = try Scratch()
    let plain = try writeSample(scratch.file("plain.h5"), compression: .none)
    let packed = try writeSample(scratch.file("packed.h5"), compression: .always)
    #expect(plain == packed)

    func digest(_ fill: (ArtifactWriter) throws -> Void) throws -> String {
      let writer = try ArtifactWriter(url: scratch.file("one.h5"))
      try fill(writer)
      return try writer.commit(provenance: provenance(key: UUID().uuidString))
    }
    let reference = try digest { try $0.write("a/x", [1.0, 2], shape: [2]) }
    #expect(try digest { try $0.write("/a/x/", [1.0, 2], shape: [2]) } == reference)
    #expect(try digest { try $0.write("a/y", [1.0, 2], shape: [2]) } != reference)
    #expect(try digest { try $0.write("a/x", [1.0, 2.5], shape: [2]) } != reference)
    #expect(try digest { try $0.write("a/x", [1.0, 2], shape: [1, 2]) } != reference)
    #expect(try digest { try $0.write("a/x", [Float(1), 2], shape: [2]) } != reference)
    #expect(try digest { try $0.write("a/x", [1.0, 2], shape: [2], units: "kT") } != reference)
    #expect(
      try digest {
        try $0.write("a/x", [1.0, 2], shape: [2])
        try $0.createGroup("a/b")
      } != reference)
    let ordered = try digest {
      try $0.write("b", [1.0], shape: [1])
      try $0.write("a", [2.0], shape: [1])
    }
    let reversed = try digest {
      try $0.write("a", [2.0], shape: [1])
      try $0.write("b", [1.0], shape: [1])
    }
    #expect(ordered == reversed)
  }

  @Test func compressionIsChosenWhereItPays() throws {
    var random = RandomStream(seed: 5, "compression")
    let noise = (0..<20_000).map { _ in Float(random.normal()) }
    let flags = (0..<20_000).map { UInt8($0 % 2) }
    let ramp = (0..<20_000).map { Int64($0) }
    func level<T: ArtifactScalar>(_ values: [T]) -> Int? {
      values.withUnsafeBytes {
        ArtifactWriter.layout(shape: [values.count], size: T.hdf5Type.size, compression: .automatic, bytes: $0)
      }.deflateLevel
    }
    #expect(level(noise) == nil)
    #expect(level(flags) != nil)
    #expect(level(ramp) != nil)
    #expect(level([Double](repeating: 1, count: 1000)) != nil)
  }

  @Test func measuredSecondsAreProtectedButOutsideTheDigest() throws {
    let scratch = try Scratch()
    let digests = try [1.5, 2.5].map { seconds in
      let writer = try ArtifactWriter(url: scratch.file("\(seconds).h5"))
      try writer.writeMeasurement("results/seconds", seconds)
      return try writer.commit(provenance: provenance())
    }
    #expect(digests[0] == digests[1])
    let url = scratch.file("1.5.h5")
    #expect(try Artifact.open(url, verify: true).scalar("results/seconds", as: Double.self) == 1.5)
    var data = try Data(contentsOf: url)
    let place = try #require(data.range(of: withUnsafeBytes(of: 1.5) { Data($0) }))
    data[place.lowerBound + 6] ^= 1
    try data.write(to: url)
    expectError(saying: "1.5.h5: damaged") { try Artifact.open(url, verify: true) }
  }

  @Test func misuseIsATypedError() throws {
    let scratch = try Scratch()
    let writer = try ArtifactWriter(url: scratch.file("a.h5"))
    try writer.write("x", [1.0], shape: [1])
    expectError(saying: "x: written twice") { try writer.write("/x", [1.0], shape: [1]) }
    expectError(saying: "/provenance is written by commit alone") {
      try writer.write("provenance/x", [1.0], shape: [1])
    }
    expectError(saying: "y: ") { try writer.write("y", [1.0], shape: [2]) }
    expectError(saying: "zero byte") { try writer.write("z", string: "a\0b") }
    try writer.commit(provenance: provenance())
    expectError(saying: "committed or discarded already") { try writer.write("later", [1.0], shape: [1]) }
    expectError(saying: "committed or discarded already") { try writer.commit(provenance: provenance()) }
  }
}
