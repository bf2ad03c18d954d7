/// Something that whoever reads a result must know: what it is, how grave, and what mends it.
public struct Remark: Codable, Equatable, Sendable {
  public enum Gravity: String, Codable, CaseIterable, Sendable {
    /// Numbers that rest on this must not be believed.
    case grave
    /// A doubt: something to look at.
    case warning
    /// Known and meant, or mended by what follows.
    case note
  }

  /// What it is about, where a reader has something to do with that.
  public enum Subject: String, Codable, Sendable {
    /// Bonds that constraints held, in frames that are used as if they had not been.
    case heldBonds
  }

  public let text: String
  public let gravity: Gravity
  /// What to do about it; nil where the text says so itself, or where nothing need be done.
  public let cure: String?
  public let subject: Subject?

  public init(_ text: String, _ gravity: Gravity = .warning, cure: String? = nil, subject: Subject? = nil) {
    (self.text, self.gravity, self.cure, self.subject) = (text, gravity, cure, subject)
  }

  /// What a line of a terminal that tells it begins with.
  public var word: String { gravity == .note ? "note" : "warning" }

  /// Text and cure in one line.
  public var message: String { cure.map { "\(text). \($0.prefix(1).uppercased() + $0.dropFirst())" } ?? text }
}
