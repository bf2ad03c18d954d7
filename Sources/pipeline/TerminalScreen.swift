import Foundation
import Workflow

/// The whole screen of the terminal at standard output, until it is left. Keys are read one by one where standard input is a terminal too.
final class TerminalScreen {
  private var before: termios?
  private var isOpen = true

  init() {
    var settings = termios()
    if isatty(STDIN_FILENO) == 1, tcgetattr(STDIN_FILENO, &settings) == 0 {
      before = settings
      // Ctrl-C and its like are keys here: none of them may end the program with the screen still open
      settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
      tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    }
    // the other screen, without a cursor
    _ = Self.write("\u{1B}[?1049h\u{1B}[?25l")
  }

  deinit { leave() }

  static let controlC: Character = "\u{3}"

  /// Puts everything back as it was.
  func leave() {
    guard isOpen else { return }
    isOpen = false
    _ = Self.write("\u{1B}[?25h\u{1B}[?1049l")
    if var before { tcsetattr(STDIN_FILENO, TCSANOW, &before) }
  }

  /// False where nothing can be written any more.
  func draw(_ lines: [String]) -> Bool {
    Self.write("\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J")
  }

  /// The next key within so many seconds; nil where none comes, or a signal did.
  static func key(within seconds: Double) -> Character? {
    var request = pollfd(fd: isatty(STDIN_FILENO) == 1 ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0)
    guard poll(&request, 1, Int32(min(3600, max(0, seconds)) * 1000)) > 0 else { return nil }
    var byte: UInt8 = 0
    guard read(STDIN_FILENO, &byte, 1) == 1 else {
      // the terminal is gone: it would be readable for ever
      usleep(UInt32(min(1, seconds) * 1e6))
      return nil
    }
    return Character(UnicodeScalar(byte))
  }

  /// To standard output, at once. False where it is closed.
  static func write(_ text: String) -> Bool {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      bytes = bytes.dropFirst(count)
    }
    return true
  }
}
