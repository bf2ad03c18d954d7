import Foundation

/// The folder of the files that come with the program: pipelines/, datasets/, Tools/. A checkout has them around the build, an installed
/// wheel beside the program.
public struct Installation: Equatable, Sendable {
  public let root: URL
  /// It is what a wheel brings, and not a checkout.
  public let isWheel: Bool

  /// The file that an installed wheel has where a checkout has Package.swift. It names the libraries that the program was built with.
  public static let mark = "build.json"

  /// That of this process's program; nil for a program that stands by itself.
  public static let current = Installation(above: URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath())

  /// Looks in the folders above a program.
  public init?(above program: URL) {
    var folder = program.deletingLastPathComponent()
    while folder.path != "/" {
      for (mark, isWheel) in [("Package.swift", false), (Self.mark, true)] {
        // others' packages have no pipelines/
        guard
          [mark, "pipelines"].allSatisfy({
            FileManager.default.fileExists(atPath: folder.appendingPathComponent($0).path)
          })
        else { continue }
        (root, self.isWheel) = (folder, isWheel)
        return
      }
      folder.deleteLastPathComponent()
    }
    return nil
  }

  /// The commit that it stands at: of a wheel that of its program, of a checkout the present one, which may be another than was built.
  public var commit: String? {
    if isWheel {
      guard let data = try? Data(contentsOf: root.appendingPathComponent(Self.mark)),
        let found = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
      else { return nil }
      return found["commit"] as? String
    }
    let git = root.appendingPathComponent(".git")
    func text(_ name: String) -> String? {
      (try? String(contentsOf: git.appendingPathComponent(name), encoding: .utf8))?.trimmingCharacters(
        in: .whitespacesAndNewlines)
    }
    guard let head = text("HEAD") else { return nil }
    guard head.hasPrefix("ref: ") else { return String(head.prefix(7)) }
    let branch = String(head.dropFirst(5))
    if let commit = text(branch) { return String(commit.prefix(7)) }
    let packed = (text("packed-refs") ?? "").split(separator: "\n").first { $0.hasSuffix(" " + branch) }
    return packed.map { String($0.prefix(7)) }
  }

  /// The Python that an installed wheel belongs to, as the one that called the program says, else as it lies around the wheel.
  public var python: URL? {
    guard isWheel else { return nil }
    if let named = ProcessInfo.processInfo.environment["BOLTZMILL_PYTHON"] { return URL(fileURLWithPath: named) }
    var folder = root  // ENVIRONMENT/lib/python3.12/site-packages/boltzmill/program
    for _ in 0..<5 { folder.deleteLastPathComponent() }
    let python = folder.appendingPathComponent("bin/python3")
    return FileManager.default.isExecutableFile(atPath: python.path) ? python : nil
  }
}
