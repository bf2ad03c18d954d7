import Foundation
import TestSupport
import Testing

@testable import HDF5

@Suite struct HDF5FileTests {
  @Test func numbersOfEveryTypeComeBack() throws {
    let scratch = try Scratch()
    let url = scratch.file("types.h5")
    func check<T: HDF5Scalar & Equatable>(_ values: [T]) throws {
      let file = try HDF5File.create(url)
      try file.createDataset("a/b/values", type: T.hdf5Type, shape: [values.count]).write(values)
      try file.close()
      let dataset = try HDF5File.open(url).dataset("/a/b/values")
      #expect(try dataset.read(as: T.self) == values)
      #expect(dataset.shape == [values.count])
      #expect(dataset.type == T.hdf5Type)
    }
    try check([Float(1.5), -.infinity, .leastNonzeroMagnitude])
    try check([1.1, .pi, .infinity])
    try check([Int8.min, .max])
    try check([Int16.min, .max])
    try check([Int32.min, .max])
    try check([Int64.min, .max])
    try check([UInt8.min, .max])
    try check([UInt16.max])
    try check([UInt32.max])
    try check([UInt64.max])
    try check([Int.min, 0, .max])
  }

  @Test func conversionKeepsValuesAndRefusesToClip() throws {
    let scratch = try Scratch()
    let file = try HDF5File.create(scratch.file("convert.h5"))
    try file.createDataset("small", type: .int64, shape: [2]).write([Int64(3), -4])
    try file.createDataset("large", type: .int64, shape: [1]).write([Int64(1) << 40])
    try file.createDataset("fraction", type: .float64, shape: [1]).write([0.5])
    try file.createDataset("infinite", type: .float64, shape: [3]).write([Double.infinity, -.infinity, 0.1])
    #expect(try file.dataset("small").read(as: Double.self) == [3, -4])
    #expect(try file.dataset("small").read(as: Int32.self) == [3, -4])
    #expect(try file.dataset("infinite").read(as: Float.self) == [.infinity, -.infinity, 0.1])
    expectError(saying: "/large", "conversion") { try file.dataset("large").read(as: Int32.self) }
    expectError(saying: "/fraction", "conversion") { try file.dataset("fraction").read(as: Int.self) }
  }

  @Test func rowsAreReadAsSlabs() throws {
    let scratch = try Scratch()
    let file = try HDF5File.create(scratch.file("rows.h5"))
    let dataset = try file.createDataset(
      "x", type: .float64, shape: [5, 2, 3], layout: HDF5Layout(chunk: [2, 2, 3], deflateLevel: 1))
    try dataset.write((0..<30).map(Double.init))
    #expect(try dataset.read(as: Double.self, rows: 1..<3) == (6..<18).map(Double.init))
    #expect(try dataset.read(as: Double.self, rows: 2..<2).isEmpty)
    expectError(saying: "rows 4..<6 are outside shape") { try dataset.read(as: Double.self, rows: 4..<6) }
  }

  @Test func appendsGrowTheFirstAxis() throws {
    let scratch = try Scratch()
    let url = scratch.file("append.h5")
    let file = try HDF5File.create(url)
    let dataset = try file.createDataset(
      "x", type: .float32, shape: [0, 3], layout: HDF5Layout(chunk: [4, 3], extendible: true))
    for row in 0..<10 { try dataset.append([Float](repeating: Float(row), count: 3)) }
    expectError(saying: "2 values are not whole rows of [3]") { try dataset.append([Float(1), 2]) }
    try file.close()
    let read = try HDF5File.open(url).dataset("x")
    #expect(read.shape == [10, 3])
    #expect(try read.read(as: Float.self, rows: 9..<10) == [9, 9, 9])
  }

  @Test func stringsAndAttributesComeBack() throws {
    let scratch = try Scratch()
    let url = scratch.file("text.h5")
    let file = try HDF5File.create(url)
    let texts = ["φ", "", "a longer one"]
    let (bytes, size) = fixedLengthBytes(texts)
    try file.createDataset("names", type: .string(bytes: size), shape: [3]).write(bytes: bytes)
    try file.setAttribute("", "title", .string("kJ/mol · nm⁻¹"))
    try file.setAttribute("names", "count", .integer(3))
    try file.setAttribute("names", "count", .integer(4))
    try file.setAttribute("names", "scale", .number(0.1))
    try file.setAttribute("names", "axes", .strings(["frame", "atom"]))
    try file.setAttribute("names", "weights", .numbers([1, 2]))
    try file.close()
    let read = try HDF5File.open(url)
    #expect(try read.dataset("names").readStrings() == texts)
    #expect(try read.attribute("", "title") == .string("kJ/mol · nm⁻¹"))
    #expect(try read.attribute("", "none") == nil)
    #expect(
      try read.attributes("names") == [
        "count": .integer(4), "scale": .number(0.1), "axes": .strings(["frame", "atom"]), "weights": .numbers([1, 2]),
      ])
  }

  @Test func objectsAreListedByName() throws {
    let scratch = try Scratch()
    let file = try HDF5File.create(scratch.file("list.h5"))
    try file.createGroup("b/c")
    _ = try file.createDataset("a", type: .float64, shape: [])
    #expect(try file.list("") == ["a", "b"])
    #expect(try file.kind("a") == .dataset)
    #expect(try file.kind("b/c") == .group)
    #expect(try file.kind("b/d") == nil)
    #expect(!file.exists("x/y/z"))
    #expect(throws: HDF5Error.notFound(file: file.url.path, path: "/x")) { try file.dataset("x") }
    #expect(throws: HDF5Error.notFound(file: file.url.path, path: "/a")) { try file.list("a") }
  }

  @Test func errorsNameThePlaceAndCarryTheLibrarysMessage() throws {
    let scratch = try Scratch()
    #expect(throws: HDF5Error.noSuchFile(file: scratch.file("none.h5").path)) {
      try HDF5File.open(scratch.file("none.h5"))
    }
    #expect(throws: HDF5Error.noSuchFile(file: scratch.url.path)) { try HDF5File.open(scratch.url) }
    let text = scratch.file("text.h5")
    try Data("not hdf5 at all".utf8).write(to: text)
    let error = #expect(throws: HDF5Error.self) { try HDF5File.open(text) }
    #expect("\(try #require(error))".contains("file signature not found"))

    let file = try HDF5File.create(scratch.file("twice.h5"))
    _ = try file.createDataset("x", type: .float64, shape: [2])
    let twice = #expect(throws: HDF5Error.self) { try file.createDataset("x", type: .float64, shape: [2]) }
    #expect("\(try #require(twice))".contains("/x: H5Dcreate failed"))
    #expect("\(try #require(twice))".contains("already exists"))
    expectError(saying: "1 values were given for shape") { try file.dataset("x").write([1.0]) }
    expectError(saying: "cannot be read as strings") { try file.dataset("x").readStrings() }
    let dataset = try file.dataset("x")
    try file.close()
    #expect(throws: HDF5Error.closed(file: file.url.path)) { try dataset.read(as: Double.self) }
  }

  @Test func damagedChunkIsAnError() throws {
    let scratch = try Scratch()
    let url = scratch.file("chunk.h5")
    let file = try HDF5File.create(url)
    let values = (0..<1000).map { Double($0).squareRoot() }
    try file.createDataset("x", type: .float64, shape: [1000], layout: HDF5Layout(chunk: [1000])).write(values)
    try file.close()
    var data = try Data(contentsOf: url)
    let pattern = withUnsafeBytes(of: values[500]) { Data($0) }
    let place = try #require(data.range(of: pattern))
    data[place.lowerBound] ^= 1
    try data.write(to: url)
    let error = #expect(throws: HDF5Error.self) { try HDF5File.open(url).dataset("x").read(as: Double.self) }
    #expect("\(try #require(error))".contains("checksum"))
  }

  @Test func threadsTakeTurns() async throws {
    let scratch = try Scratch()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<8 {
        let url = scratch.file("thread-\(index).h5")
        group.addTask {
          let file = try HDF5File.create(url)
          for dataset in 0..<20 {
            try file.createDataset("x\(dataset)", type: .int64, shape: [100]).write([Int](repeating: index, count: 100))
          }
          try file.close()
          let read = try HDF5File.open(url).dataset("x19").read(as: Int.self)
          #expect(read == [Int](repeating: index, count: 100))
        }
      }
      try await group.waitForAll()
    }
  }
}
