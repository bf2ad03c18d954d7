import Foundation
import Generative
import Molecules
import TestSupport
import Testing
import Torch

@testable import Stages

/// The shipped configurations have the published numbers of parameters.
@Suite struct ArchitectureTests {
  func parameterCount(_ field: some VectorField) -> Int { field.network.parameterCount }

  func network(_ type: EmulatorNetworkParameters.Kind) -> EmulatorNetworkParameters {
    EmulatorNetworkParameters(
      type: type, width: 256, depth: 4, harmonics: 3, timeFrequencies: 16, layers: 5, scalars: 64, vectors: 16)
  }

  @Test func gvpOfAlanineHasThePublishedParameters() throws {
    let topology = try Topology.read(pdb: Package.root.appendingPathComponent("datasets/alanine/alanine.pdb"))
    let chart = Chart.cartesian(CartesianChart(atomClasses: topology.symmetryClasses))
    let field = try network(.gvp).architecture(chart).field(chart, .linear, Generator(seed: 1))
    #expect(parameterCount(field) == 108_933)
  }

  @Test func egnnOfAlanineHasThePublishedParameters() throws {
    let classes = [0, 1, 0, 0, 2, 3, 4, 5, 6, 7, 1, 0, 0, 0, 2, 3, 4, 5, 8, 0, 0, 0]
    let chart = Chart.cartesian(CartesianChart(atomClasses: classes))
    let field = try network(.egnn).architecture(chart).field(chart, .linear, Generator(seed: 1))
    #expect(parameterCount(field) == 147_599)
  }
}
