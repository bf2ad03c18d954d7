import Basics

/// The first sentences of a report: what came out, what agrees with what, what it rests on, what must not be believed, and what to do next.
///
/// Each number in it was recorded by a stage; made from them are differences, joint standard errors, and shares that follow from dF.
public struct Verdict: Equatable, Sendable {
  /// A reason not to believe a number, or to look at it again.
  public struct Doubt: Equatable, Sendable {
    /// Whether numbers that it touches must not be believed.
    public let isGrave: Bool
    /// What is wrong, and with what.
    public let text: String
    /// What to do about it.
    public let cure: String
  }

  /// All of it in a word, the best first.
  public enum Standing: String, CaseIterable, Comparable, Sendable {
    /// Every pair of states has a number that may be believed, and nothing speaks against any.
    case sound
    /// Every pair has one, and something is to be looked at.
    case doubts
    /// A pair has numbers, and none that may be believed.
    case notBelieved = "not believed"
    /// Of a pair nothing is determined.
    case noNumber = "no number"

    public static func < (one: Self, other: Self) -> Bool { one.rank < other.rank }

    /// Its place among all, from 0.
    public var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
  }

  public let standing: Standing
  /// dF of each pair of states, with its interval and the stage it is of.
  public let answers: [String]
  public let agreement: [String]
  /// What the answers rest on: effective samples, tails, overlap.
  public let support: [String]
  /// The gravest first.
  public let doubts: [Doubt]
  /// The one next step.
  public let next: String

  /// In some lines for a terminal: what came out, what speaks against it, what to do.
  public var terminalText: String {
    let (grave, light) = (doubts.filter(\.isGrave), doubts.filter { !$0.isGrave })
    let said =
      answers.prefix(Self.fewest) + agreement.prefix(Self.fewest)
      + grave.prefix(Self.fewest).map { "NOT TO BE BELIEVED: \($0.text)" }
      + (grave.isEmpty ? light.prefix(1).map { "Doubtful: \($0.text)" } : []) + ["Next: \(next)"]
    return said.map { Self.wrapped($0, width: 110) }.joined(separator: "\n")
  }

  private static let fewest = 3

  /// Broken between words, never within a command (in backquotes), which may be pasted; what follows the first line is set in.
  static func wrapped(_ text: String, width: Int) -> String {
    var lines = [""]
    var words: [String] = []
    var isCommand = false
    for word in text.split(separator: " ") {
      if isCommand { words[words.count - 1] += " \(word)" } else { words.append(String(word)) }
      if word.filter({ $0 == "`" }).count % 2 == 1 { isCommand.toggle() }
    }
    for word in words {
      let line = lines[lines.count - 1]
      if !line.isEmpty, line.count + 1 + word.count > width {
        lines.append("    \(word)")
      } else {
        lines[lines.count - 1] = line.isEmpty ? word : "\(line) \(word)"
      }
    }
    return lines.joined(separator: "\n")
  }
}

extension Report {
  /// From where on numbers are doubted: the limits of the stages themselves.
  public struct Limits: Equatable, Sendable {
    /// Effective samples of a state: with fewer there is no number; with fewer its interval is too narrow.
    public var samplesForNumber, samplesForInterval: Double
    /// Pareto shape of the weights' tails.
    public var tailShape: Double
    /// Share of the samples that count, and of the weight that the heaviest has.
    public var effectiveFraction, largestWeight: Double
    /// Of an energy model's log-density, nat rms.
    public var energyModelError: Double
    /// An audit's correction, in its standard errors.
    public var auditBias: Double
    /// What a cycle finds beside the weights, in joint standard errors.
    public var contradiction: Double
    /// Least overlap that holds umbrella windows together.
    public var overlap: Double
    /// How far Stein's identity may be off: its mean, that of one coordinate, and of a torsion.
    public var thermometer, thermometerOfCoordinate, thermometerOfTorsion: Double

    public init(
      samplesForNumber: Double, samplesForInterval: Double, tailShape: Double, effectiveFraction: Double,
      largestWeight: Double, energyModelError: Double, auditBias: Double, contradiction: Double, overlap: Double,
      thermometer: Double,
      thermometerOfCoordinate: Double, thermometerOfTorsion: Double
    ) {
      (self.samplesForNumber, self.samplesForInterval, self.tailShape) = (
        samplesForNumber, samplesForInterval, tailShape
      )
      (self.effectiveFraction, self.largestWeight) = (effectiveFraction, largestWeight)
      (self.energyModelError, self.auditBias, self.overlap) = (energyModelError, auditBias, overlap)
      self.contradiction = contradiction
      (self.thermometer, self.thermometerOfCoordinate, self.thermometerOfTorsion) = (
        thermometer, thermometerOfCoordinate, thermometerOfTorsion
      )
    }
  }
}
