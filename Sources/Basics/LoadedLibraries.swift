import Foundation

/// The shared libraries that this process has loaded: which file, and which build. An environment (LD_LIBRARY_PATH, LD_PRELOAD) may put
/// another one in the place of the one that a program was linked with, and the version that it tells may be the same.
public struct LoadedLibrary: Equatable, Sendable {
  public let path: String
  /// "build-id 2f5b7bd5..." as the linker wrote it; for a library without one, its size and the sum of its first and last MiB.
  public let build: String
  /// It lies in a folder that the program was told to look in when it was linked.
  public let isPinned: Bool

  /// The library whose file is called `name` ("libtorch_cpu"), but for its ending and the mark that a wheel puts before that; nil where
  /// none is loaded.
  public static func named(_ name: String) -> LoadedLibrary? {
    // a file of /proc has no size by which it could be read at once
    guard let handle = FileHandle(forReadingAtPath: "/proc/self/maps"), let data = try? handle.readToEnd() else {
      return nil
    }
    let maps = String(decoding: data, as: UTF8.self)
    for line in maps.split(separator: "\n") {
      guard let start = line.firstIndex(of: "/") else { continue }
      let path = String(line[start...])
      guard let file = path.split(separator: "/").last, file.hasPrefix(name + ".") || file.hasPrefix(name + "-") else {
        continue
      }
      let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
      return LoadedLibrary(path: path, build: build(of: path), isPinned: linkedFolders.contains(folder))
    }
    return nil
  }

  /// The folders that the program's own file names, links followed; `$ORIGIN` is where it stands.
  static let linkedFolders: Set<String> = {
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    let folders = ELFFile(program.path)?.runFolders ?? []
    return Set(
      folders.map {
        let path = $0.replacingOccurrences(of: "$ORIGIN", with: program.deletingLastPathComponent().path)
        return URL(fileURLWithPath: path).resolvingSymlinksInPath().path
      })
  }()

  static func build(of path: String) -> String {
    if let identifier = ELFFile(path)?.buildIdentifier { return "build-id " + identifier }
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) else { return "unknown" }
    // FNV-1a: to tell builds apart, not to keep anybody out
    var sum: UInt64 = 0xcbf2_9ce4_8422_2325
    for part in [data.prefix(1 << 20), data.suffix(1 << 20)] {
      for byte in part { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }
    return "\(data.count) bytes, \(String(sum, radix: 16))"
  }
}

/// What is read of a 64-bit little-endian ELF file: the linker's identifier of the build, and the folders where its libraries are looked for.
struct ELFFile {
  private(set) var buildIdentifier: String?
  private(set) var runFolders: [String] = []

  /// Nil where it is no such file.
  init?(_ path: String) {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped), data.count > 64,
      data.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1])
    else { return nil }
    func number<T: FixedWidthInteger>(_ offset: Int, _: T.Type) -> Int? {
      guard offset >= 0, offset <= data.count - MemoryLayout<T>.size else { return nil }
      return data.withUnsafeBytes {
        Int(exactly: T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self)))
      }
    }
    guard let table = number(32, UInt64.self), let size = number(54, UInt16.self), let count = number(56, UInt16.self)
    else { return nil }
    var loads: [(address: Int, offset: Int, size: Int)] = []
    var notes: [(offset: Int, size: Int)] = []
    var dynamic: (offset: Int, size: Int)?
    for index in 0..<count {
      let entry = table + index * size
      guard let kind = number(entry, UInt32.self), let offset = number(entry + 8, UInt64.self),
        let address = number(entry + 16, UInt64.self), let bytes = number(entry + 32, UInt64.self)
      else { return nil }
      switch kind {
      case 1: loads.append((address, offset, bytes))
      case 2: dynamic = (offset, bytes)
      case 4: notes.append((offset, bytes))
      default: break
      }
    }
    for note in notes {
      var place = note.offset
      while place + 12 <= note.offset + note.size, let name = number(place, UInt32.self),
        let bytes = number(place + 4, UInt32.self), let kind = number(place + 8, UInt32.self)
      {
        let start = place + 12 + (name + 3) & ~3
        guard start + bytes <= data.count else { break }
        if kind == 3, name == 4, data[(place + 12)..<(place + 15)].elementsEqual("GNU".utf8) {
          buildIdentifier = data[start..<(start + bytes)].map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
          }.joined()
        }
        place = start + (bytes + 3) & ~3
      }
    }
    guard let dynamic else { return }
    var (strings, names): (Int?, [Int]) = (nil, [])
    for place in stride(from: dynamic.offset, to: dynamic.offset + dynamic.size - 15, by: 16) {
      guard let tag = number(place, UInt64.self), let value = number(place + 8, UInt64.self) else { break }
      if tag == 0 { break }
      if tag == 5 {
        strings = loads.first { $0.address <= value && value < $0.address + $0.size }.map {
          $0.offset + value - $0.address
        }
      }
      if tag == 15 || tag == 29 { names.append(value) }  // RPATH, RUNPATH
    }
    guard let strings else { return }
    for name in names where strings + name < data.count {
      let text = data[(strings + name)...].prefix { $0 != 0 }
      runFolders += String(decoding: text, as: UTF8.self).split(separator: ":").map(String.init)
    }
  }
}
