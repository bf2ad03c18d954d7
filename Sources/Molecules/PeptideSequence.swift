/// A peptide by its sequence: one-letter codes, with caps before and behind it where it is not zwitterionic.
///
/// "AC" is alanyl-cysteine with charged ends; "ace-V-nme" is valine between an acetyl and an N-methyl group.
public struct PeptideSequence: Equatable, Sendable {
  public let text: String
  /// Three-letter names, caps among them: ["ACE", "VAL", "NME"].
  public let residues: [String]

  public static let longest = 50

  private static let letters: [Character: String] = [
    "A": "ALA", "R": "ARG", "N": "ASN", "D": "ASP", "C": "CYS", "Q": "GLN", "E": "GLU", "G": "GLY", "H": "HIS",
    "I": "ILE", "L": "LEU", "K": "LYS", "M": "MET", "F": "PHE", "P": "PRO", "S": "SER", "T": "THR", "W": "TRP",
    "Y": "TYR", "V": "VAL",
  ]

  /// Throws `PeptideSequenceError`.
  public init(_ text: String) throws {
    var body = Substring(text)
    var residues: [String] = []
    var offset = 0
    if body.hasPrefix("ace-") {
      residues.append("ACE")
      body = body.dropFirst(4)
      offset = 4
    }
    let isClosed = body.hasSuffix("-nme")
    if isClosed { body = body.dropLast(4) }
    guard !body.isEmpty else { throw PeptideSequenceError.empty(sequence: text) }
    guard body.count <= Self.longest else { throw PeptideSequenceError.tooLong(sequence: text, count: body.count) }
    for (place, letter) in body.enumerated() {
      guard let name = Self.letters[letter]
      else { throw PeptideSequenceError.letter(letter, position: offset + place + 1, sequence: text) }
      residues.append(name)
    }
    if isClosed { residues.append("NME") }
    (self.text, self.residues) = (text, residues)
  }
}

/// What is wrong with a sequence; positions count characters from 1.
public enum PeptideSequenceError: Error, Equatable, CustomStringConvertible {
  case empty(sequence: String)
  case letter(Character, position: Int, sequence: String)
  case tooLong(sequence: String, count: Int)

  public var description: String {
    switch self {
    case .empty(let sequence): return "\"\(sequence)\" names no amino acid; write for example AC, or ace-V-nme"
    case .letter(let letter, let position, let sequence):
      let upper = letter.uppercased()
      let isLowerCase = upper != String(letter) && (try? PeptideSequence(upper)) != nil
      return
        "\"\(sequence)\": '\(letter)' at position \(position) is no amino acid"
        + (isLowerCase
          ? "; did you mean \(upper)?" : "; known are ARNDCQEGHILKMFPSTWYV, with ace- before and -nme behind")
    case .tooLong(let sequence, let count):
      return "\"\(sequence.prefix(20))...\" has \(count) amino acids; at most \(PeptideSequence.longest) are built"
    }
  }
}
