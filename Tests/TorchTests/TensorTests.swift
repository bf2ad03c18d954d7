import Foundation
import Testing

@testable import Torch

@Suite struct TensorTests {
  /// Work side by side comes back in order, to the same bits with one thread and with two, gradients too; threads are what they were. In a
  /// process of its own: the number of threads is the process's, and other tests have theirs.
  @Test func workSideBySideGivesTheSameBits() async {
    await #expect(processExitsWith: .success) {
      func run(threads: Int) throws -> [[Float]] {
        try Runtime.initialize(threads: threads)
        let found = try Runtime.sideBySide(5) { k in
          let x = try Generator(seed: UInt64(k)).normal([400, 300]).requiringGradient()
          return try (x.matmul(x.transposed()).square().sum() / 1000).gradients(of: [x])[0].values(as: Float.self)
        }
        #expect(Runtime.threads == threads)
        return found
      }
      let (one, two) = (try run(threads: 1), try run(threads: 2))
      #expect(one.count == 5 && one == two)
      #expect(Set(one.map { $0[0] }).count == 5)
      #expect(throws: CancellationError.self) {
        try Runtime.sideBySide(4) { k in
          if k > 1 { throw CancellationError() }
          return k
        }
      }
      #expect(try Runtime.sideBySide(0) { $0 }.isEmpty && Runtime.threads == 2)
    }
  }

  @Test func valuesSurviveTheRoundTrip() throws {
    let x = try Tensor([1.5, -2, 3, 4, 5, 6] as [Double], shape: [2, 3])
    #expect(x.shape == [2, 3])
    #expect(x.scalarType == .float64)
    #expect(try x.transposed().values(as: Double.self) == [1.5, 4, -2, 5, 3, 6])
    #expect(try x.cast(.float32).values(as: Double.self) == [1.5, -2, 3, 4, 5, 6])
  }

  @Test func broadcastingAndReductions() throws {
    let x = try Tensor([1, 2, 3, 4] as [Double], shape: [2, 2])
    let row = try Tensor([10, 20] as [Double])
    #expect(try (x + row * 2).values(as: Double.self) == [21, 42, 23, 44])
    #expect(try x.sum(0).values(as: Double.self) == [4, 6])
    #expect(try x.mean().item() == 2.5)
    let expected = log(exp(1.0) + exp(2.0))
    #expect(try abs(x.logSumExp(1).values(as: Double.self)[0] - expected) < 1e-14)
    #expect(try (1 / x).values(as: Double.self) == [1, 0.5, 1.0 / 3, 0.25])
    #expect(try (1 - x).values(as: Double.self) == [0, -1, -2, -3])
  }

  @Test func shapesThatDoNotFitAreATypedError() throws {
    let a = try Tensor.zeros([2, 3])
    let b = try Tensor.zeros([4, 5])
    #expect(throws: TorchError.self) { try a.matmul(b) }
    #expect(throws: TorchError.self) { try a + b }
    #expect(throws: TorchError.self) { try Tensor([1, 2, 3] as [Float], shape: [2]) }
    #expect(throws: TorchError.self) { try a.item() }
    do {
      _ = try a.matmul(b)
    } catch let error as TorchError {
      #expect(error.operation == "matmul" || error.reason.contains("mat1"))
      #expect(!error.reason.contains("frame #"), "no C++ backtrace in a user's message")
    }
  }

  @Test func doubleBackPropagationMatchesAnalysis() throws {
    // y = sum(x^3 w): dy/dx = 3 x^2 w; L = sum((dy/dx)^2) = 9 x^4 w^2; dL/dw = 18 x^4 w; dL/dx = 36 x^3 w^2
    let xs = [0.5, -1.25, 2.0]
    let ws = [1.5, 0.25, -0.75]
    let x = try Tensor(xs).requiringGradient()
    let w = try Tensor(ws).requiringGradient()
    let y = try (x * x * x * w).sum()
    let dx = try y.gradients(of: [x], createGraph: true)[0]
    let loss = try dx.square().sum()
    let second = try loss.gradients(of: [w, x])
    for i in 0..<3 {
      #expect(try abs(dx.values(as: Double.self)[i] - 3 * xs[i] * xs[i] * ws[i]) < 1e-12)
      #expect(try abs(second[0].values(as: Double.self)[i] - 18 * pow(xs[i], 4) * ws[i]) < 1e-12)
      #expect(try abs(second[1].values(as: Double.self)[i] - 36 * pow(xs[i], 3) * ws[i] * ws[i]) < 1e-12)
    }
  }

  @Test func withoutGradientsRestoresTheModeAfterAnError() throws {
    struct Stop: Error {}
    #expect(throws: Stop.self) { try withoutGradients { throw Stop() } }
    let x = try Tensor([2.0]).requiringGradient()
    #expect(try (x * x).sum().gradients(of: [x])[0].item() == 4)
    #expect(try withoutGradients { try (x * x).requiresGradient } == false)
  }

  @Test func generatorStateResumesTheStream() throws {
    let generator = try Generator(seed: 5)
    _ = try generator.normal([7])
    let state = try generator.state()
    let first = try generator.normal([33]).values(as: Float.self)
    try generator.restore(state)
    #expect(try generator.normal([33]).values(as: Float.self) == first)
    #expect(throws: TorchError.self) { try generator.restore([1, 2, 3]) }
    let signs = try generator.rademacher([1000]).values(as: Float.self)
    #expect(Set(signs) == [-1, 1])
  }

  @Test(arguments: [true, false]) func adamFollowsItsDefinition(decoupled: Bool) throws {
    let start = [1.0, -2.0]
    let parameter = try Tensor(start)
    let optimizer = try Adam([parameter], weightDecay: 0.1, decoupled: decoupled)
    var p = start
    var m = [0.0, 0.0]
    var v = [0.0, 0.0]
    for step in 1...5 {
      let gradient = p.map { 2 * $0 + 0.3 }
      try optimizer.update([Tensor(gradient)], learningRate: 0.05)
      for i in 0..<2 {
        var g = gradient[i]
        if decoupled { p[i] *= 1 - 0.05 * 0.1 } else { g += 0.1 * p[i] }
        m[i] = 0.9 * m[i] + 0.1 * g
        v[i] = 0.999 * v[i] + 0.001 * g * g
        p[i] -=
          0.05 * (m[i] / (1 - pow(0.9, Double(step)))) / ((v[i] / (1 - pow(0.999, Double(step)))).squareRoot() + 1e-8)
      }
      let got = try parameter.values(as: Double.self)
      #expect(abs(got[0] - p[0]) < 1e-12 && abs(got[1] - p[1]) < 1e-12)
    }
  }

  @Test func clippingAndAverages() throws {
    let gradients = [try Tensor([3.0]), try Tensor([4.0])]
    #expect(try clipNormInPlace(gradients, maximum: 1) == 5)
    #expect(try abs(gradients[0].item() - 0.6) < 1e-12 && abs(gradients[1].item() - 0.8) < 1e-12)
    let average = try Tensor([1.0])
    try updateAveragesInPlace([average], [Tensor([3.0])], decay: 0.75)
    #expect(try average.item() == 1.5)
  }

  @Test func aGPUThatIsNotThereIsATypedError() throws {
    if Runtime.cudaIsAvailable {
      #expect(Runtime.deviceSummary.hasPrefix("cuda"))
      return
    }
    #expect(Runtime.deviceSummary.hasPrefix("cpu (no GPU: "))
    #expect {
      try Runtime.initialize(threads: 1, device: .cuda)
    } throws: { error in
      let text = "\(error)"
      return error is NoGPUError && text.contains("use device: cpu or auto") && !text.contains("()")
    }
    try Runtime.initialize(threads: 1, device: nil)
    #expect(Runtime.device == .cpu)
    #expect(Runtime.deviceName == "cpu")
    try Runtime.synchronize()
  }

  @Test func symmetricEigenDecompositionAndDeterminant() throws {
    let a = try Tensor([2, 1, 1, 2] as [Double], shape: [2, 2])
    let (values, vectors) = try a.symmetricEigenDecomposition()
    #expect(zip(try values.values(as: Double.self), [1, 3]).allSatisfy { abs($0 - $1) < 1e-12 })
    let rebuilt = try vectors.matmul((values.reshaped(2, 1)) * vectors.transposed()).values(as: Double.self)
    #expect(zip(rebuilt, [2, 1, 1, 2]).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(try abs(a.signLogDeterminant().logAbsolute.item() - log(3)) < 1e-12)
  }
}
