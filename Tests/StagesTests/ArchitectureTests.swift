import Foundation
import Generative
import Molecules
import TestSupport
import Testing
import Torch

@testable import Stages

/// The shipped configurations have the published numbers of parameters.
@Suite struct ArchitectureTests {
  func parameterCount(_ field: some FlowModel) -> Int { field.network.parameterCount }

  @Test func gvpOfAlanineHasThePublishedParameters() throws {
    let topology = try Topology.read(pdb: Package.root.appendingPathComponent("datasets/alanine/alanine.pdb"))
    let chart = Chart.cartesian(CartesianChart(atomClasses: topology.symmetryClasses))
    let field = try EmulatorNetworkParameters(type: .gvp).architecture(chart, inTwo: false).field(
      chart, .linear, Generator(seed: 1))
    #expect(parameterCount(field) == 108_933)
  }

  @Test func egnnOfAlanineHasThePublishedParameters() throws {
    let classes = [0, 1, 0, 0, 2, 3, 4, 5, 6, 7, 1, 0, 0, 0, 2, 3, 4, 5, 8, 0, 0, 0]
    let chart = Chart.cartesian(CartesianChart(atomClasses: classes))
    let field = try EmulatorNetworkParameters(type: .egnn).architecture(chart, inTwo: false).field(
      chart, .linear, Generator(seed: 1))
    #expect(parameterCount(field) == 147_599)
  }
}
