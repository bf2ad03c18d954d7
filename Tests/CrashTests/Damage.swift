import Artifacts
import Foundation

/// Ways to spoil a file, as a disk, a copy that broke off, or a user would.
enum Damage: CaseIterable, CustomStringConvertible {
  case cutToNothing, cutInTheFirstBlock, cutInHalf, cutByTheSeal, cutByOneByte
  case bitInData, bitInMetadata, bitInProvenance, bitInSeal
  case anotherStages, foreign, grown, overwritten, folder, deleted

  var description: String {
    switch self {
    case .cutToNothing: "empty"
    case .cutInTheFirstBlock: "cut to 100 bytes"
    case .cutInHalf: "cut in half"
    case .cutByTheSeal: "cut before its seal"
    case .cutByOneByte: "cut by one byte"
    case .bitInData: "a bit flipped in the data"
    case .bitInMetadata: "a bit flipped in HDF5's metadata"
    case .bitInProvenance: "a bit flipped in the provenance"
    case .bitInSeal: "a bit flipped in the seal"
    case .anotherStages: "another stage's artifact"
    case .foreign: "a file that is not HDF5"
    case .grown: "a byte more"
    case .overwritten: "a page in the middle overwritten"
    case .folder: "a folder of that name"
    case .deleted: "deleted"
    }
  }

  /// The content is all there, and proves itself: only the seal is not.
  var leavesContent: Bool { [.cutByTheSeal, .cutByOneByte, .grown].contains(self) }

  /// Spoils the file; `other` is a sound artifact of another stage.
  func apply(to url: URL, other: URL) throws {
    var data = try Data(contentsOf: url)
    func flip(_ position: Int) { data[position] ^= 1 << UInt8(position % 8) }
    switch self {
    case .cutToNothing: data = Data()
    case .cutInTheFirstBlock: data = data.prefix(100)
    case .cutInHalf: data = data.prefix(data.count / 2)
    case .cutByTheSeal: data = data.prefix(data.count - 64)
    case .cutByOneByte: data = data.dropLast()
    case .bitInData: flip(data.count / 2)
    case .bitInMetadata: flip((data.range(of: Data("OHDR".utf8))?.lowerBound ?? 48) + 12)
    case .bitInProvenance: flip((data.range(of: Data("\"contentDigest\":".utf8))?.upperBound ?? data.count / 2) + 3)
    case .bitInSeal: flip(data.count - 20)
    case .anotherStages: data = try Data(contentsOf: other)
    case .foreign: data = Data("# not what you think\n".utf8)
    case .grown: data.append(0)
    case .overwritten:
      let middle = data.count / 2
      let page = middle..<min(data.count, middle + 4096)
      for position in page { data[position] = ~data[position] }
    case .folder, .deleted:
      try FileManager.default.removeItem(at: url)
      if self == .folder { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false) }
      return
    }
    try data.write(to: url)
  }
}
