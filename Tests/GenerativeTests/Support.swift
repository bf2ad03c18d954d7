import Foundation
import Torch

@testable import Generative

/// A network whose head is not zero, in Float64, so that nothing is trivially right.
func roughNetwork(_ space: LatentSpace, outputs: Int, seed: UInt64, scale: Double = 0.15) throws -> ResidualNetwork {
  let generator = try Generator(seed: seed)
  let configuration = NetworkConfiguration(width: 16, depth: 2, harmonics: 2, timeFrequencies: 4, outputs: outputs)
  let network = try ResidualNetwork(space: space, configuration: configuration, generator: generator)
  let shaken = try network.parameters.map { try $0 + generator.normal($0.shape) * scale }
  // low frequencies of time: a test wants a smooth field
  return try ResidualNetwork(
    space: space, configuration: configuration, parameters: shaken,
    frequencies: network.frequencies * 0.1
  ).cast(.float64)
}

func largestDifference(_ a: Tensor, _ b: Tensor) throws -> Double {
  try (a - b).abs().values(as: Double.self).max() ?? 0
}
