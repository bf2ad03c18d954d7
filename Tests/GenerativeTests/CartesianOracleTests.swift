import Foundation
import Testing
import Torch

@testable import Generative

/// Published GVP networks: their weights give their outputs.
@Suite struct CartesianOracleTests {
  @Test(arguments: GVPOracle.models, [GVPNetwork.Kernel.fused, .paired, .composed])
  func velocities(model: String, kernel: GVPNetwork.Kernel) throws {
    let oracle = try GVPOracle(model, kernel: kernel)
    let x = try oracle.tensor("cases/x").reshaped(16, 66)
    let t = try 1 - oracle.tensor("cases/t")
    let single = try oracle.field(.float32)(x.cast(.float32), t.cast(.float32)).cast(.float64)
    let published = try oracle.tensor("cases/velocity").reshaped(16, 66)
    #expect(try largestDifference(-single, published) < 2e-5)
    let double = try oracle.field(.float64)(x, t)
    #expect(try largestDifference(-double, oracle.tensor("cases/velocity_f64").reshaped(16, 66)) < 1e-10)
  }

  /// In Float64 to 1e-5, what the published single precision leaves; in Float32 relative to values above 1.
  @Test(arguments: GVPOracle.models, [ScalarType.float32, .float64]) func innerStates(model: String, type: ScalarType)
    throws
  {
    let oracle = try GVPOracle(model)
    let rows = try oracle.tensor("intermediate/case_index").cast(.int64)
    let x = try oracle.tensor("cases/x").selected(rows).cast(type)
    let t = try oracle.tensor("cases/t").selected(rows).cast(type)
    func expect(_ found: Tensor, _ path: String, layer: Int?) throws {
      var published = try oracle.tensor("intermediate/\(path)")
      if let layer { published = try published.selected(Tensor([Int64(layer)]), axis: 1).reshaped(found.shape) }
      let scale = try type == .float64 ? Tensor.ones([1], .float64) : published.abs().clamped(1...1e9)
      #expect(try largestDifference(found.cast(.float64) / scale, published / scale) < 1e-5, "\(path), \(layer ?? -1)")
    }
    var moments = 0
    _ = try oracle.network().cast(type).evaluate(x, t) { state, moment in
      moments += 1
      let v = try state.v?.transposed()
      switch moment {
      case .embedding: try expect(state.h, "embedding", layer: nil)
      case .message(let layer):
        try expect(state.h, "message_norm_h", layer: layer)
        try expect(#require(v), "message_norm_v", layer: layer)
      case .layer(let layer):
        try expect(state.h, "layer_h", layer: layer)
        try expect(#require(v), "layer_v", layer: layer)
        try expect(state.x, "layer_x", layer: layer)
      }
    }
    #expect(moments == 11)
  }

  /// By forward mode (fused, paired) and by reverse mode (composed).
  @Test(arguments: GVPOracle.models, [GVPNetwork.Kernel.fused, .paired, .composed])
  func divergences(model: String, kernel: GVPNetwork.Kernel) throws {
    let oracle = try GVPOracle(model, kernel: kernel)
    // what runs is the fused kernel, on all cases; the slower two on a quarter of them
    let rows = try Tensor(kernel == .fused ? [Int64](0..<16) : [0, 5, 10, 15])
    let x = try oracle.tensor("cases/x").reshaped(16, 66).selected(rows)
    let t = try (1 - oracle.tensor("cases/t")).selected(rows)
    let (_, divergence) = try oracle.field(.float64).withDivergence(x, t)
    let published = try oracle.tensor("cases/divergence_f64").selected(rows)
    let relative = try ((divergence + published) / published.abs()).abs().maximum(over: 0).item()
    #expect(relative < 1e-8)
  }

  /// Classical Runge-Kutta, 40 equal steps, from the stored noise to the stored samples.
  @Test func integratorEndsAtThePublishedSamples() throws {
    let field = try GVPOracle("biased").field(.float64)
    let samples = try GVPOracle("samples")
    let start = try samples.tensor("prior").reshaped(8, 66)
    let end = try FlowSampler(field: field, integrator: .uniformRungeKutta4(steps: 40), method: .none)
      .integrate(from: start, Generator(seed: 1))
    #expect(try largestDifference(end.latents, samples.tensor("x").reshaped(8, 66)) < 1e-5)
    #expect(end.functionEvaluations == 160)
  }
}
