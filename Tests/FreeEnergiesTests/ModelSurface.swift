import Basics
import Foundation

@testable import FreeEnergies

/// A cheap stand-in for alanine dipeptide: a potential on the torus, kT, with barriers along phi of about 10 kT near -0.2 and
/// 22 kT near 2.4, a rare state at 0 < phi < 2, and a second angle psi with two wells that phi is coupled to.
struct ModelSurface: Sendable {
  /// Height of the barriers between the psi wells, kT.
  var psiBarrier = 3.0
  /// What is added to it on the lower phi barrier, kT.
  var psiBarrierOnTop = 0.0
  /// How much phi and psi feel each other, kT.
  var coupling = 1.5

  func energy(_ phi: Double, _ psi: Double) -> Double {
    func bump(_ centre: Double, _ width: Double) -> Double {
      let d = (phi - centre).remainder(dividingBy: 2 * .pi) / width
      return exp(-d * d)
    }
    let step = 1 / (1 + exp(-(phi + 0.2) / 0.15)) - 1 / (1 + exp(-(phi - 2.4) / 0.15))
    return 9 * bump(-0.2, 0.6) + 19 * bump(2.4, 0.8) + 3.2 * step + 0.5 * psiBarrier * (1 - cos(2 * psi))
      + 0.5 * psiBarrierOnTop * bump(-0.2, 0.6) * (1 - cos(2 * psi)) + coupling * cos(phi) * cos(psi)
  }

  /// -ln(P(0 < phi < 2) / P(elsewhere)) by quadrature.
  var exactDeltaF: Double {
    var p = 0.0
    var q = 0.0
    let n = 600
    for i in 0..<n {
      let phi = (Double(i) + 0.5) / Double(n) * 2 * .pi - .pi
      var sum = 0.0
      for j in 0..<n { sum += exp(-energy(phi, (Double(j) + 0.5) / Double(n) * 2 * .pi - .pi)) }
      if phi > 0, phi < 2 { p += sum } else { q += sum }
    }
    return -log(p / q)
  }

  /// Umbrella windows on a periodic grid of phi (and psi), sampled by Metropolis in two serpentine walks, each window started
  /// where the one before it ended. `shared`: an energy of phi and psi that all windows have beside their wells, kT.
  func umbrella(
    windows: [Int], forceConstants: [Double], samples: Int, stepsPerSample: Int, stepSize: Double = 0.25, seed: UInt64,
    shared: ((Double, Double) -> Double)? = nil
  ) throws -> UmbrellaData {
    let grid = [windows[0], windows.count > 1 ? windows[1] : 1]
    let place = { (i: Int, n: Int) -> Double in -Double.pi + 2 * Double.pi * (Double(i) + 0.5) / Double(n) }
    var centers: [[Double]] = []
    var neighbours: [(Int, Int)] = []
    for i in 0..<grid[0] {
      for j in 0..<grid[1] {
        centers.append(windows.count > 1 ? [place(i, grid[0]), place(j, grid[1])] : [place(i, grid[0])])
        neighbours.append((i * grid[1] + j, (i + 1) % grid[0] * grid[1] + j))
        if windows.count > 1 { neighbours.append((i * grid[1] + j, i * grid[1] + (j + 1) % grid[1])) }
      }
    }
    var order: [Int] = []
    for i in 0..<grid[0] {
      let row = (0..<grid[1]).map { i * grid[1] + $0 }
      order += i % 2 == 0 ? row : row.reversed()
    }
    let walks = try ["forward", "backward"].map { name -> UmbrellaData.Walk in
      var random = RandomStream(seed: seed, name)
      let route = name == "forward" ? order : order.reversed()
      var series = [Double](repeating: 0, count: centers.count * samples * windows.count)
      var others = [Double](repeating: 0, count: windows.count > 1 ? 0 : centers.count * samples)
      var biases = [Double](repeating: 0, count: centers.count * samples)
      var (x, y) = (centers[route[0]][0], windows.count > 1 ? centers[route[0]][1] : 0)
      for window in route {
        let centre = centers[window]
        func biased(_ x: Double, _ y: Double) -> Double {
          var u = energy(x, y) + (shared?(x, y) ?? 0)
          for (t, value) in [x, y].prefix(windows.count).enumerated() {
            let d = (value - centre[t]).remainder(dividingBy: 2 * .pi)
            u += 0.5 * forceConstants[t] * d * d
          }
          return u
        }
        var u = biased(x, y)
        for sample in -(samples / 8)..<samples {
          for _ in 0..<stepsPerSample {
            let (a, b) = (x + stepSize * random.normal(), y + stepSize * random.normal())
            let trial = biased(a, b)
            if trial <= u || random.uniform() < exp(u - trial) { (x, y, u) = (a, b, trial) }
          }
          x = x.remainder(dividingBy: 2 * .pi)
          y = y.remainder(dividingBy: 2 * .pi)
          guard sample >= 0 else { continue }
          let place = window * samples + sample
          biases[place] = shared?(x, y) ?? 0
          if windows.count > 1 {
            series[2 * place] = x
            series[2 * place + 1] = y
          } else {
            series[place] = x
            others[place] = y
          }
        }
      }
      return UmbrellaData.Walk(
        name: name, series: try NDArray(series, shape: [centers.count, samples, windows.count]),
        others: try NDArray(others, shape: [centers.count, samples, windows.count > 1 ? 0 : 1]),
        sharedBias: shared == nil ? nil : try NDArray(biases, shape: [centers.count, samples]))
    }
    return UmbrellaData(
      torsionNames: Array(["phi", "psi"].prefix(windows.count)), otherNames: windows.count > 1 ? [] : ["psi"],
      centers: centers, forceConstants: forceConstants, neighbours: neighbours, walks: walks, sampleInterval: 0.1)
  }
}
