import Foundation
import Torch

/// An energy-based model of a law along an interpolant: U(t, x) is ln p_t(x) up to one constant, with the plus sign. At t = 1 it is the
/// emulator's log-density, at the cost of one forward pass.
/// Source: Aggarwal, Chen, Boffi, Koes, "BoltzNCE", arXiv 2507.00846, sections 3 and 4.
public protocol EnergyModel {
  associatedtype Net: Network
  var network: Net { get }
  var space: LatentSpace { get }
  var interpolant: Interpolant { get }
  func replacing(network: Net) -> Self
  /// x [n, d], t [n] -> U [n].
  func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor
}

extension EnergyModel {
  /// U at time `t`, [n], in Float64; one forward pass per sample, in chunks.
  public func values(_ x: Tensor, at t: Double, chunk: Int = 8192) throws -> Tensor {
    try withoutGradients {
      let type = network.scalarType
      var parts: [Tensor] = []
      var start = 0
      while start < x.shape[0] {
        let rows = try x.slice(start..<min(start + chunk, x.shape[0])).cast(type)
        parts.append(try self(rows, Tensor.full([rows.shape[0]], t, type)).cast(.float64))
        start += chunk
      }
      return parts.isEmpty ? try Tensor.zeros([0], .float64) : try Tensor.concatenated(parts, axis: 0)
    }
  }

  /// Log-density at the data end up to the model's constant, [n], in Float64.
  public func logDensity(_ x: Tensor, chunk: Int = 8192) throws -> Tensor { try values(x, at: 1, chunk: chunk) }

  /// dU/dx, [n, d].
  public func score(_ x: Tensor, _ t: Tensor, createGraph: Bool) throws -> Tensor {
    let leaf = try x.requiringGradient()
    return try self(leaf, t).sum().gradients(of: [leaf], createGraph: createGraph)[0]
  }
}
