import Basics
import Foundation

/// Samples of windows that someone has run, each under a harmonic bias of its own on one coordinate or two.
///
/// The bias of a window is the sum over coordinates of k/2 d^2, d being the distance from its centre: the short way round for torsions.
/// Windows may differ in force constants, in length and in temperature.
public struct BiasedWindows: Sendable {
  /// What a bias acts on.
  public struct Coordinate: Sendable, Equatable {
    public var name: String
    /// A torsion in rad, whose full turn is 2 pi; else a distance in nm.
    public var isTorsion: Bool

    public init(name: String, isTorsion: Bool) { (self.name, self.isTorsion) = (name, isTorsion) }

    /// Of its values.
    public var unit: String { isTorsion ? "rad" : "nm" }

    /// From `center` to `value`.
    func displacement(_ value: Double, from center: Double) -> Double {
      isTorsion ? wrapped(value - center) : value - center
    }
  }

  public struct Window: Sendable {
    /// What messages call it: its file.
    public var name: String
    /// Of the bias, [coordinates], rad or nm.
    public var centers: [Double]
    /// k of k/2 d^2, [coordinates], kJ/mol/rad^2 or kJ/mol/nm^2; 0: this coordinate is free.
    public var forceConstants: [Double]
    /// Of its dynamics, K.
    public var temperature: Double
    /// In time order, [samples, coordinates] row by row, rad or nm.
    public var values: [Double]
    /// Potential energies without the bias, kJ/mol, [samples]; needed where a temperature is not the one asked for.
    public var energies: [Double]?

    public init(
      name: String, centers: [Double], forceConstants: [Double], temperature: Double, values: [Double],
      energies: [Double]? = nil
    ) {
      (self.name, self.centers, self.forceConstants) = (name, centers, forceConstants)
      (self.temperature, self.values, self.energies) = (temperature, values, energies)
    }
  }

  public var coordinates: [Coordinate]
  public var windows: [Window]
  /// Whose ensemble is asked for, K.
  public var temperature: Double
  /// Time between samples, ps; nil where it is not known.
  public var sampleInterval: Double?

  public init(coordinates: [Coordinate], windows: [Window], temperature: Double, sampleInterval: Double? = nil) {
    (self.coordinates, self.windows) = (coordinates, windows)
    (self.temperature, self.sampleInterval) = (temperature, sampleInterval)
  }

  /// Samples of a window.
  func count(_ window: Int) -> Int { windows[window].values.count / max(1, coordinates.count) }

  /// One coordinate of a window's samples, in time order.
  func series(_ window: Int, _ coordinate: Int) -> [Double] {
    stride(from: coordinate, to: windows[window].values.count, by: coordinates.count).map {
      windows[window].values[$0]
    }
  }

  /// Whether any window ran at another temperature than the one asked for.
  var hasOtherTemperatures: Bool {
    windows.contains { abs($0.temperature - temperature) > 1e-6 * temperature }
  }

  /// Throws `WindowsError`, naming the window.
  func validate() throws {
    let width = coordinates.count
    guard (1...2).contains(width), windows.count >= 2, temperature > 0 else {
      throw WindowsError.tooFew(windows: windows.count, coordinates: width)
    }
    for window in windows {
      guard window.centers.count == width, window.forceConstants.count == width,
        window.values.count % width == 0
      else { throw WindowsError.shape(window: window.name, coordinates: width) }
      let samples = window.values.count / width
      guard samples >= 8 else { throw WindowsError.short(window: window.name, samples: samples) }
      guard window.forceConstants.allSatisfy({ $0 >= 0 && $0.isFinite }), window.centers.allSatisfy(\.isFinite),
        window.temperature > 0
      else {
        throw WindowsError.bias(
          window: window.name, centers: window.centers, forceConstants: window.forceConstants,
          temperature: window.temperature)
      }
      if let bad = window.values.firstIndex(where: { !$0.isFinite }) {
        throw WindowsError.notFinite(window: window.name, what: coordinates[bad % width].name, sample: bad / width)
      }
      if let energies = window.energies {
        guard energies.count == samples else { throw WindowsError.shape(window: window.name, coordinates: width) }
        if let bad = energies.firstIndex(where: { !$0.isFinite }) {
          throw WindowsError.notFinite(window: window.name, what: "energy", sample: bad)
        }
      }
    }
    if hasOtherTemperatures, let bare = windows.first(where: { $0.energies == nil }) {
      let other = windows.first { abs($0.temperature - temperature) > 1e-6 * temperature } ?? bare
      throw WindowsError.temperature(
        window: other.name, found: other.temperature, wanted: temperature, withoutEnergies: bare.name)
    }
  }
}

/// What is wrong with windows that someone has run.
public enum WindowsError: Error, Equatable, CustomStringConvertible {
  case tooFew(windows: Int, coordinates: Int)
  case shape(window: String, coordinates: Int)
  case short(window: String, samples: Int)
  case bias(window: String, centers: [Double], forceConstants: [Double], temperature: Double)
  case notFinite(window: String, what: String, sample: Int)
  /// A window of another temperature than the one asked for, and one without energies.
  case temperature(window: String, found: Double, wanted: Double, withoutEnergies: String)
  /// Samples that spread by far more, or less, than the biases allow.
  case spread(ratio: Double)
  /// Samples that lie elsewhere than their biases hold them.
  case misplaced(count: Int, windows: Int, example: String, mean: Double, center: Double, unit: String)

  public var description: String {
    switch self {
    case .tooFew(let windows, let coordinates):
      return
        "\(windows) windows on \(coordinates) coordinates: needed are two windows or more, on one coordinate or two"
    case .shape(let window, let coordinates):
      return "\(window): values, energies, centres and force constants do not fit \(coordinates) coordinates"
    case .short(let window, let samples): return "\(window): \(samples) samples are too few; at least 8 are needed"
    case .bias(let window, let centers, let constants, let temperature):
      return
        "\(window): a bias with centres \(centers) and force constants \(constants) at \(temperature) K cannot be; force "
        + "constants are not negative, temperatures above 0"
    case .notFinite(let window, let what, let sample):
      return "\(window): \(what) of sample \(sample) (from 0) is not a finite number"
    case .temperature(let window, let found, let wanted, let bare):
      return
        "\(window) was run at \(found) K, and \(wanted) K is asked for: that takes the potential energy, without the bias, of every "
        + "sample, which \(bare) does not give"
    case .spread(let ratio):
      return String(
        format:
          "the samples spread %.3g times as much as the force constants allow (variance times k / kT, the median of all "
          + "windows; about 1 is right)", ratio)
    case .misplaced(let count, let windows, let example, let mean, let center, let unit):
      return String(
        format:
          "%d of %d windows have their samples elsewhere than their bias holds them (%@: mean %.3f, centre %.3f %@)",
        count,
        windows, example, mean, center, unit)
    }
  }
}
