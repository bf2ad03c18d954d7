import Foundation

/// What the summed weight of one state rests on, and so whether a number may be made of it.
///
/// A sum that a few samples carry has an error that its own bootstrap cannot see: a resample holds the same few samples.
public struct StateSupport: Sendable, Equatable {
  /// Samples of the state that have weight.
  public let samples: Int
  /// Kish's effective number of them; 0 where there are none.
  public let effective: Double
  /// Share of the state's weight that its heaviest sample has; nan where it has no weight.
  public let largestShare: Double
  /// Pareto shape of the tail of the state's weights, see `ParetoSmoothing`; nan where there are too few to tell.
  public let tailShape: Double
  /// The largest share that one sample may have for a number to be made.
  public let mostOfOneSample: Double

  /// Of fewer effective samples no number is made.
  public static let fewestForNumber = 10.0
  /// Intervals that rest on fewer effective samples are too narrow more often than they should be.
  public static let fewestForInterval = 50.0
  /// Weights of a larger shape have no mean that their number could approach: there is no interval.
  public static let largestShapeForInterval = 1.0

  /// `logWeights` of the state's samples, as they are summed; -infinity for those without weight.
  public init(logWeights: [Double], mostOfOneSample: Double = 1) {
    self.init(
      logWeights: logWeights, tailShape: ParetoSmoothing(logWeights: logWeights).shape,
      mostOfOneSample: mostOfOneSample)
  }

  init(logWeights: [Double], tailShape: Double, mostOfOneSample: Double = 1) {
    (self.tailShape, self.mostOfOneSample) = (tailShape, mostOfOneSample)
    samples = logWeights.filter { $0 > -.infinity }.count
    guard samples > 0 else {
      (effective, largestShare) = (0, .nan)
      return
    }
    effective = kishEffectiveSampleSize(logWeights: logWeights)
    largestShare = exp((logWeights.max() ?? 0) - logSumExp(logWeights))
  }

  /// Whether the state's share may be given as a number.
  public var givesNumber: Bool { effective >= Self.fewestForNumber && !isCarriedByOne }
  private var isCarriedByOne: Bool { largestShare > mostOfOneSample }
  /// Whether the number may be given an interval. A tail of unknown shape is no reason against it where samples are many enough.
  public var givesInterval: Bool { givesNumber && !(tailShape > Self.largestShapeForInterval) }

  /// Whether the interval may be believed: its tail is not so heavy that single samples carry the sum.
  public var isBelievable: Bool { givesInterval && !(tailShape > ParetoSmoothing.largestShape) }

  /// What is doubtful about it, as the end of a sentence that begins with the state's name; nil where nothing is.
  public var doubt: String? {
    let count = effective < 1.5 ? "one sample" : String(format: "%.0f effective samples", effective)
    let share = String(format: "the heaviest has %.0f %% of its weight", 100 * largestShare)
    if samples == 0 { return "holds no weight" }
    if isCarriedByOne, effective >= Self.fewestForNumber {
      return String(
        format: "rests too much on one sample, which has %.2g %% of its weight; %g %% are the most for a number here",
        100 * largestShare, 100 * mostOfOneSample)
    }
    if !givesNumber {
      return
        "rests on \(count) (\(samples) with weight, \(share)); \(Int(Self.fewestForNumber)) are the least for a number"
    }
    if !givesInterval {
      return "has weights with so heavy a tail (Pareto shape \(String(format: "%.2f", tailShape)), above "
        + "\(String(format: "%g", Self.largestShapeForInterval))) that no interval can be given"
    }
    if tailShape > ParetoSmoothing.largestShape {
      return "has weights with so heavy a tail (Pareto shape \(String(format: "%.2f", tailShape)), above "
        + "\(String(format: "%g", ParetoSmoothing.largestShape))) that their sum depends on a few samples: dF may be off by more "
        + "than its interval"
    }
    if effective < Self.fewestForInterval {
      return "rests on \(count) (\(share)): the interval may be too narrow"
    }
    return nil
  }
}
