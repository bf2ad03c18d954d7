import Basics
import Foundation
import Torch

/// A trained energy model of a molecule: the log-density of its emulator at one forward pass per sample.
public struct MolecularEnergyModel {
  public let header: Header
  public let chart: EnergyModelChart
  public let model: any EnergyModel

  /// Everything about the model but its numbers and the molecule.
  public struct Header: Codable, Sendable {
    public var architecture: EnergyArchitecture
    public var interpolant: Interpolant
    /// What tells the emulator from others, such as a digest: ln q of samples of another emulator would mean nothing.
    public var emulator: String
  }

  /// ln q over Cartesian coordinates up to the model's and the rigid-body constant, [n], of latents [n, d] and ln |dx/dq| [n] on
  /// `chart`.
  public func logDensity(_ latents: Tensor, _ logJacobian: [Double]) throws -> [Double] {
    chart.chart.cartesianLogDensities(try model.logDensity(latents).values(as: Double.self), logJacobian)
  }
}

extension MolecularEnergyModel {
  /// As text and named tensors, for a store.
  public func archive() throws -> ModelArchive { try ModelArchive(header, chart, network: model.network) }

  /// Throws `DecodingError`, and `TrainingError.badState` where tensors are missing or of another shape.
  public init(_ archive: ModelArchive) throws {
    let (header, chart) = try archive.decoded(Header.self, EnergyModelChart.self)
    self.init(
      header: header, chart: chart,
      model: try Self.filled(
        header.architecture.model(chart.chart, header.interpolant, Generator(seed: 0)), archive))
  }

  private static func filled<Model: EnergyModel>(_ blank: Model, _ archive: ModelArchive) throws -> any EnergyModel {
    blank.replacing(network: try archive.network(like: blank.network))
  }
}
