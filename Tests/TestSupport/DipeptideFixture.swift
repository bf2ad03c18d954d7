import Foundation
import Molecules
import OpenMM

/// The dipeptides' force field and structure, of datasets/dipeptides.
public struct DipeptideFixture {
  public static let names = ["AC", "ET", "GN", "IM", "KS", "NF", "NY"]

  public let xml: String
  /// nm, [atoms, 3].
  public let coordinates: [Double]

  public init(_ name: String) throws {
    let folder = Package.dipeptide(name)
    xml = try String(contentsOf: folder.appendingPathComponent("system.xml"), encoding: .utf8)
    coordinates = try Topology.read(pdb: folder.appendingPathComponent("topology.pdb")).referenceCoordinates
  }

  /// The System, after replacements in its text, each of which must find its place.
  public func system(_ replacements: [(String, String)] = []) throws -> System {
    var text = xml
    for (old, new) in replacements {
      guard text.contains(old) else { throw MissingText(text: old) }
      text = text.replacingOccurrences(of: old, with: new)
    }
    return try System(xml: text)
  }

  struct MissingText: Error { let text: String }

  /// The structure at several scales, up to many times its size, and shaken by several amounts.
  public func frames(scales: [Double] = [1, 0.8, 1.3, 3, 4.7, 12], noises: [Double] = [0.002, 0.01, 0.03, 0.1])
    -> [[Double]]
  {
    var state: UInt64 = 2026
    func normal() -> Double {
      // twelve uniform numbers are normal enough
      (0..<12).reduce(-6.0) { sum, _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return sum + Double(state >> 11) / 9_007_199_254_740_992
      }
    }
    return scales.flatMap { scale in noises.map { noise in coordinates.map { $0 * scale + noise * normal() } } }
  }
}
