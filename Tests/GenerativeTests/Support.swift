import Foundation
import Testing
import Torch

@testable import Generative

/// A network whose head is not zero, in Float64, so that nothing is trivially right.
func roughNetwork(_ space: LatentSpace, outputs: Int, seed: UInt64, scale: Double = 0.15) throws -> ResidualNetwork {
  let generator = try Generator(seed: seed)
  let configuration = ResidualConfiguration(width: 16, depth: 2, harmonics: 2, timeFrequencies: 4, outputs: outputs)
  let network = try ResidualNetwork(space: space, configuration: configuration, generator: generator)
  let shaken = try network.parameters.map { try $0 + generator.normal($0.shape) * scale }
  // low frequencies of time: a test wants a smooth field
  return try ResidualNetwork(
    space: space, configuration: configuration, parameters: shaken,
    frequencies: network.frequencies * 0.1
  ).cast(.float64)
}

/// One field, and two flows after each other, with networks that are far from zero, on three narrow coordinates and two angles.
func roughFlows(_ space: LatentSpace, seed: UInt64, scale: Double = 0.15) throws -> [any FlowModel] {
  [
    ResidualVectorField(
      network: try roughNetwork(space, outputs: space.dimension, seed: seed, scale: scale), interpolant: .linear),
    TwoFlows(
      network: TwoFlowNetwork(
        torsions: try roughNetwork(
          LatentSpace(euclidean: 0, angles: space.angles), outputs: space.angles, seed: seed + 500, scale: scale),
        rest: try roughNetwork(space, outputs: space.euclidean, seed: seed + 700, scale: scale)), space: space,
      interpolant: .linear),
  ]
}

func largestDifference(_ a: Tensor, _ b: Tensor) throws -> Double {
  try (a - b).abs().values(as: Double.self).max() ?? 0
}

/// The derivative of `loss` along a random direction of all parameters, by back-propagation and by central differences.
func expectGradientsEqualFiniteDifferences(
  of loss: ([Tensor]) throws -> Tensor, at start: [Tensor], sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let parameters = try start.map { try $0.requiringGradient() }
  let gradients = try loss(parameters).gradients(of: parameters)
  let directions = try parameters.map { try Generator(seed: 8).normal($0.shape, .float64) }
  let h = 1e-6
  func moved(_ step: Double) throws -> Double {
    try loss(zip(parameters, directions).map { try ($0.detached() + $1 * step) }).item()
  }
  let slope = try (moved(h) - moved(-h)) / (2 * h)
  let expected = try zip(gradients, directions).reduce(0.0) { try $0 + ($1.0 * $1.1).sum().item() }
  #expect(abs(slope - expected) < 1e-5 * max(1, abs(expected)), sourceLocation: sourceLocation)
  #expect(abs(expected) > 1e-3, sourceLocation: sourceLocation)
}
