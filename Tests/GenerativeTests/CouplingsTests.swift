import Foundation
import TestSupport
import Testing
import Torch

@testable import Generative

@Suite struct CouplingsTests {
  /// SciPy's `Rotation.align_vectors` of the points of `Sequence(4)`, by Tests/Fixtures/transport/make_transport.py.
  struct Fixture: Decodable {
    let rotations: [[Double]]
    let residuals: [Double]
  }

  struct Sequence {
    var state: Int
    mutating func draw(_ count: Int) -> [Double] {
      (0..<count).map { _ in
        state = (1_103_515_245 * state + 12_345) % 2_147_483_648
        return Double(state) / 2_147_483_648
      }
    }
  }

  func centred(_ points: [Double]) -> [Double] {
    let n = points.count / 3
    let mean = (0..<3).map { k in (0..<n).reduce(0.0) { $0 + points[3 * $1 + k] } / Double(n) }
    return points.indices.map { points[$0] - mean[$0 % 3] }
  }

  @Test func rotationsEqualSciPy() throws {
    let fixture = try JSONDecoder().decode(
      Fixture.self, from: Data(contentsOf: Package.fixture("transport/transport.json")))
    var sequence = Sequence(state: 4)
    var (mobile, target) = ([Double](), [Double]())
    for k in 0..<4 {
      let a = sequence.draw(24).map { $0 - 0.5 }
      let b = k < 3 ? sequence.draw(24).map { $0 - 0.5 } : a.indices.map { $0 % 3 == 0 ? -a[$0] : a[$0] }
      mobile += centred(a)
      target += centred(b)
    }
    let (z, x) = (try Tensor(mobile, shape: [4, 24]), try Tensor(target, shape: [4, 24]))
    // SciPy's matrices act on column vectors
    let matrices = try Superposition.rotations(of: z, onto: x).transposed()
    let expected = try Tensor(fixture.rotations.flatMap { $0 }, shape: [4, 3, 3])
    #expect(try largestDifference(matrices, expected) < 1e-12)
    let residuals = try (Coupling.kabsch.coupled(noise: z, data: x) - x).square().sum(-1).sqrt()
    #expect(try largestDifference(residuals, Tensor(fixture.residuals)) < 1e-12)
  }

  @Test func aRotatedMoleculeIsTurnedBack() throws {
    let space = LatentSpace(atoms: 9, meanFree: true)
    let generator = try Generator(seed: 3)
    let x = try space.noise(50, generator)
    // random proper rotations from random quaternions
    let q = try generator.normal([50, 4], .float64)
    let unit = try (q / q.square().sum(-1, keepingDimensions: true).sqrt()).values(as: Double.self)
    var matrices: [Double] = []
    for k in 0..<50 {
      let (w, a, b, c) = (unit[4 * k], unit[4 * k + 1], unit[4 * k + 2], unit[4 * k + 3])
      matrices += [1 - 2 * (b * b + c * c), 2 * (a * b - c * w), 2 * (a * c + b * w)]
      matrices += [2 * (a * b + c * w), 1 - 2 * (a * a + c * c), 2 * (b * c - a * w)]
      matrices += [2 * (a * c - b * w), 2 * (b * c + a * w), 1 - 2 * (a * a + b * b)]
    }
    let rotation = try Tensor(matrices, shape: [50, 3, 3]).cast(.float32)
    let turned = try x.reshaped(50, 9, 3).matmul(rotation).reshaped(50, 27)
    #expect(try largestDifference(Coupling.kabsch.coupled(noise: turned, data: x), x) < 2e-5)
    // a mirror image is not turned into the molecule, and every rotation is proper
    let mirrored = try -x
    let matched = try Coupling.kabsch.coupled(noise: mirrored, data: x)
    #expect(try (matched - x).square().sum(-1).minimum(over: 0).item() > 0.1)
    let determinant = try Superposition.rotations(of: mirrored, onto: x).signLogDeterminant()
    #expect(try determinant.sign.minimum(over: 0).item() == 1)
    #expect(try determinant.logAbsolute.abs().maximum(over: 0).item() < 1e-5)
  }

  @Test func optimalTransportPermutesNoiseAndShortensPaths() throws {
    let generator = try Generator(seed: 7)
    let (z, x) = (try generator.normal([64, 6]), try generator.normal([64, 6]))
    let coupled = try Coupling.optimalTransport.coupled(noise: z, data: x)
    let order = try Coupling.optimalOrder(noise: z, data: x).values(as: Int64.self)
    #expect(order.sorted() == Array(0..<64))
    #expect(try largestDifference(coupled, z.selected(Tensor(order))) == 0)
    #expect(try (coupled - x).square().sum().item() < 0.8 * (z - x).square().sum().item())
    // monotone on a line: the optimum of squared distances there
    let (a, b) = (try generator.normal([40, 1]), try generator.normal([40, 1]))
    let paired = try Coupling.optimalTransport.coupled(noise: a, data: b)
    let inOrder = try paired.selected(b.reshaped(-1).argsort()).values(as: Float.self)
    #expect(inOrder == inOrder.sorted())
  }

  @Test func independentPairsStayAsTheyAre() throws {
    let z = try Generator(seed: 1).normal([5, 6])
    #expect(try largestDifference(Coupling.independent.coupled(noise: z, data: z * 2), z) == 0)
    #expect(throws: TorchError.self) { try Coupling.kabsch.coupled(noise: z, data: Tensor.zeros([5, 9])) }
  }
}
