import Foundation

/// What stands behind an output of this process, as far as writing to it is concerned.
public struct Terminal: Sendable {
  public static let output = Terminal(STDOUT_FILENO)
  public static let errors = Terminal(STDERR_FILENO)

  /// It is a terminal that can move its cursor. One whose TERM is not said, `dumb` or `unknown` is written to as a file is.
  public let isCapable: Bool
  /// Colours may be written: not where NO_COLOR is set to anything (no-color.org).
  public let hasColours: Bool
  private let descriptor: Int32

  public init(_ descriptor: Int32, environment: [String: String] = ProcessInfo.processInfo.environment) {
    self.init(descriptor, isTerminal: isatty(descriptor) == 1, environment: environment)
  }

  init(_ descriptor: Int32, isTerminal: Bool, environment: [String: String]) {
    self.descriptor = descriptor
    isCapable = isTerminal && !["", "dumb", "unknown"].contains((environment["TERM"] ?? "").lowercased())
    hasColours = isCapable && (environment["NO_COLOR"] ?? "").isEmpty
  }

  /// 80 by 24 where it cannot be asked.
  public var size: (columns: Int, rows: Int) {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }
}
