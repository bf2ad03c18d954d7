import Foundation
import TestSupport
import Testing

@testable import NetCDF

@Suite struct NetCDFFileTests {
  private func write(_ url: URL, format: NetCDFFile.Format, records: Int) throws {
    let file = try NetCDFFile.create(url, format: format)
    try file.addDimension("frame", length: nil)
    try file.addDimension("x", length: 3)
    try file.addVariable("label", type: .character, dimensions: ["x"])
    try file.addVariable("time", type: .float32, dimensions: ["frame"])
    try file.addVariable("values", type: .float64, dimensions: ["frame", "x"])
    try file.setAttribute("units", .text("nm"), of: "values")
    try file.setAttribute("factor", .numbers([0.5, 2]), of: "values")
    try file.setAttribute("title", .text("test"))
    try file.endDefinitions()
    try file.write("label", text: "xyz")
    try file.write("time", (0..<records).map { Float($0) }, start: [0], count: [records])
    try file.write("values", (0..<(3 * records)).map(Double.init), start: [0, 0], count: [records, 3])
    try file.close()
  }

  @Test(arguments: [NetCDFFile.Format.classic64, .netCDF4])
  func valuesAndAttributesComeBack(format: NetCDFFile.Format) throws {
    let scratch = try Scratch()
    let url = scratch.file("a.nc")
    try write(url, format: format, records: 5)
    let file = try NetCDFFile.open(url)
    let values = try #require(try file.variable("values"))
    #expect(values.dimensions == ["frame", "x"])
    #expect(values.shape == [5, 3])
    #expect(values.type == .float64)
    #expect(try file.read(values, as: Double.self, start: [1, 0], count: [2, 3]) == [3, 4, 5, 6, 7, 8])
    #expect(try file.read(values, as: Float.self, start: [4, 1], count: [1, 2]) == [13, 14])
    #expect(try file.readText(#require(try file.variable("label"))) == "xyz")
    #expect(try file.attribute("units", of: values) == .text("nm"))
    #expect(try file.attribute("factor", of: values) == .numbers([0.5, 2]))
    #expect(try file.attribute("title") == .text("test"))
    #expect(try file.attribute("none") == nil)
    #expect(try file.variable("none") == nil)
    #expect(try file.dimension("frame") == 5)
    #expect(try file.dimension("none") == nil)
    expectError(saying: "values: ") { try file.read(values, as: Double.self, start: [4, 0], count: [2, 3]) }
    expectError(saying: "values: ") { try file.read(values, as: Double.self, start: [0], count: [2]) }
    try file.close()
    #expect(throws: NetCDFError.closed(file: url.path)) { try file.dimension("frame") }
  }

  @Test func missingAndForeignFilesAreTypedErrors() throws {
    let scratch = try Scratch()
    #expect(throws: NetCDFError.noSuchFile(file: scratch.file("none.nc").path)) {
      try NetCDFFile.open(scratch.file("none.nc"))
    }
    #expect(throws: NetCDFError.noSuchFile(file: scratch.url.path)) { try NetCDFFile.open(scratch.url) }
    let text = scratch.file("text.nc")
    try Data("some text".utf8).write(to: text)
    let error = #expect(throws: NetCDFError.self) { try NetCDFFile.open(text) }
    guard case .notNetCDF = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(try NetCDFClassicHeader.read(text) == nil)
  }

  @Test func headerTellsTheLength() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.nc")
    try write(url, format: .classic64, records: 7)
    let size = try Data(contentsOf: url).count
    let header = try #require(try NetCDFClassicHeader.read(url))
    #expect(header.promisedRecords == 7)
    #expect(header.recordSize == 4 + 24)
    #expect(header.presentRecords == 7)
    #expect(header.recordsBegin + 7 * header.recordSize == size)
    #expect(!header.isTruncated)

    let data = try Data(contentsOf: url)
    try data.dropLast(1).write(to: url)
    let cut = try #require(try NetCDFClassicHeader.read(url))
    #expect(cut.isTruncated)
    #expect(cut.presentRecords == 6)
    try data.prefix(header.recordsBegin - 2).write(to: url)
    #expect(try #require(try NetCDFClassicHeader.read(url)).isTruncated)
    try data.prefix(60).write(to: url)
    expectError(saying: "not a sound NetCDF file") { try NetCDFClassicHeader.read(url) }
    try write(url, format: .netCDF4, records: 7)
    #expect(try NetCDFClassicHeader.read(url) == nil)
  }

  /// A variable that begins where no file can reach.
  @Test func anOffsetBeyondAnyFileIsRefused() throws {
    let scratch = try Scratch()
    let url = scratch.file("far.nc")
    let file = try NetCDFFile.create(url, format: .classic64)
    try file.addDimension("spatial", length: 3)
    try file.addVariable("axis", type: .float64, dimensions: ["spatial"])
    try file.endDefinitions()
    try file.write("axis", [1, 2, 3] as [Double], start: [0], count: [3])
    try file.close()
    var bytes = [UInt8](try Data(contentsOf: url))
    let begin = bytes.count - 24
    // the offset stands last in the header
    let place = begin - 8
    #expect(bytes[place..<begin].reduce(0) { $0 << 8 | Int($1) } == begin)
    bytes.replaceSubrange(place..<begin, with: [0x7f] + [UInt8](repeating: 0xff, count: 7))
    try Data(bytes).write(to: url)
    expectError(saying: "not a sound NetCDF file") { try NetCDFClassicHeader.read(url) }
  }
}
