import Testing
import Torch

@testable import Generative

/// A published GVP network that gives the data point: its weights give its points, and the velocities and divergences made of them.
///
/// The published velocity is (x - e)/t in a time t from data to noise; ours is (e - x)/t at 1 - t.
@Suite struct EndpointOracleTests {
  static let kernels = [GVPNetwork.Kernel.fused, .paired, .composed]

  private struct Cases {
    let oracle: GVPOracle
    /// [8, 66], [8], and the same as a column: published time.
    let x, t, column: Tensor

    init(_ kernel: GVPNetwork.Kernel) throws {
      oracle = try GVPOracle("endpoint", kernel: kernel)
      x = try oracle.tensor("cases/x").reshaped(8, 66)
      t = try oracle.tensor("cases/t")
      column = try t.unsqueezed(-1)
    }

    func published(_ name: String) throws -> Tensor { try oracle.tensor("cases/\(name)") }
    func publishedVectors(_ name: String) throws -> Tensor { try published(name).reshaped(8, 66) }
  }

  /// In Float32 to 5e-6 and in Float64 to 1e-10; velocities to that over t.
  @Test(arguments: kernels, [ScalarType.float32, .float64])
  func pointsAndVelocities(kernel: GVPNetwork.Kernel, type: ScalarType) throws {
    let cases = try Cases(kernel)
    let (suffix, tolerance) = type == .float32 ? ("", 5e-6) : ("_f64", 1e-10)
    let field = try cases.oracle.endpointField(type)
    #expect(field.latestTime == 0.999)
    let (x, s) = (try cases.x.cast(type), try (1 - cases.t).cast(type))
    let points = try field.endpoint(x, s, .linear).cast(.float64)
    #expect(try largestDifference(points, cases.publishedVectors("endpoint\(suffix)")) < tolerance)
    let velocity = try field(x, s).cast(.float64)
    let difference = try (velocity + cases.publishedVectors("velocity\(suffix)")) * cases.column
    #expect(try difference.abs().values(as: Double.self).max() ?? 1 < tolerance)
  }

  /// By forward mode (fused, paired) and by reverse mode (composed).
  @Test(arguments: kernels) func divergences(kernel: GVPNetwork.Kernel) throws {
    let cases = try Cases(kernel)
    let (_, divergence) = try cases.oracle.endpointField(.float64).withDivergence(cases.x, 1 - cases.t)
    func relativeError(_ found: Tensor, _ published: Tensor) throws -> Double {
      try largestDifference(found / published, Tensor.ones([8], .float64))
    }
    #expect(try relativeError(-divergence, cases.published("divergence_f64")) < 1e-8)
    // tr de/dx, of the displacement e - x
    let (_, displacement) = try cases.oracle.endpointField(.float64).base.withDivergence(cases.x, 1 - cases.t)
    #expect(try relativeError(displacement + 66, cases.published("endpoint_divergence_f64")) < 1e-8)
  }

  /// Mean-free, the velocity is (P e - x)/t, and its divergence that of 63 dimensions.
  @Test func withoutACentreOfMass() throws {
    let cases = try Cases(.fused)
    let field = try cases.oracle.endpointField(.float64, meanFree: true)
    let x = try field.space.projected(cases.x)
    let (velocity, divergence) = try field.withDivergence(x, 1 - cases.t)
    let points = try field.space.projected(cases.publishedVectors("endpoint_f64"))
    #expect(try largestDifference(velocity * cases.column, points - x) < 1e-10)
    let scaled = try cases.published("endpoint_divergence_f64") - 63
    #expect(try largestDifference(divergence * cases.t / scaled, Tensor.ones([8], .float64)) < 1e-8)
    // nothing moves the centre of mass
    let mean = try velocity.reshaped(8, 22, 3).mean(-2) * cases.column
    #expect(try mean.abs().values(as: Double.self).max() ?? 1 < 1e-12)
  }
}
