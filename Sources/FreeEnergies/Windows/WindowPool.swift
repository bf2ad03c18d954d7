import Basics
import Foundation

/// All samples of given windows in one list, window by window in time order; thinned to at most a given number.
struct WindowPool: Sendable {
  let data: BiasedWindows
  /// Every which sample was taken.
  let stride: Int
  /// Rows of each window.
  let rows: [Range<Int>]
  /// Of each sample, [samples].
  let window: [Int]
  /// [samples, coordinates].
  let values: [Double]
  /// beta U of the ensemble asked for, kT, [samples]; 0 where all windows have its temperature.
  let reducedEnergy: [Double]
  /// U minus the lowest, kJ/mol, [samples].
  private let energy: [Double]

  init(data: BiasedWindows, maximum: Int = 200_000) {
    self.data = data
    let width = data.coordinates.count
    let all = data.windows.indices.reduce(0) { $0 + data.count($1) }
    let shortest = data.windows.indices.map { data.count($0) }.min() ?? 0
    let step = max(1, min((all + maximum - 1) / max(1, maximum), shortest / 8))
    let needsEnergies = data.hasOtherTemperatures
    let lowest = data.windows.compactMap { $0.energies?.min() }.min() ?? 0
    var (rows, window, values, energy) = ([Range<Int>](), [Int](), [Double](), [Double]())
    for (k, source) in data.windows.enumerated() {
      let first = window.count
      for sample in Swift.stride(from: 0, to: data.count(k), by: step) {
        window.append(k)
        for t in 0..<width {
          let value = source.values[sample * width + t]
          values.append(data.coordinates[t].isTorsion ? wrapped(value) : value)
        }
        energy.append(needsEnergies ? (source.energies?[sample] ?? 0) - lowest : 0)
      }
      rows.append(first..<window.count)
    }
    (stride, self.rows, self.window, self.values, self.energy) = (step, rows, window, values, energy)
    let kT = PhysicalConstants.thermalEnergy(temperature: data.temperature)
    reducedEnergy = energy.map { $0 / kT }
  }

  var count: Int { window.count }

  func coordinate(_ t: Int) -> [Double] {
    let width = data.coordinates.count
    return (0..<count).map { values[$0 * width + t] }
  }

  /// Which state each sample is in; states of coordinates that carry no bias are not told.
  func assignment(_ states: StateSet) -> StateAssignment {
    states.assignment(
      states.coordinates.map { wanted in
        data.coordinates.firstIndex { $0.name == wanted.name && $0.isTorsion == wanted.isTorsion }.map(coordinate)
      }, count: count)
  }

  /// u_k of a sample: (U + bias) / kT of window k.
  ///
  /// Throws as `MBAR` does.
  func solve() throws -> MBAR {
    let (width, states) = (data.coordinates.count, data.windows.count)
    let betas = data.windows.map { 1 / PhysicalConstants.thermalEnergy(temperature: $0.temperature) }
    let isTorsion = data.coordinates.map(\.isTorsion)
    let centers = data.windows.flatMap { window in
      (0..<width).map { isTorsion[$0] ? wrapped(window.centers[$0]) : window.centers[$0] }
    }
    let halves = data.windows.flatMap { window in window.forceConstants.map { 0.5 * $0 } }
    let (values, energy) = (values, energy)
    return try MBAR(sampleCounts: rows.map(\.count), sampleTotal: count) { range, out in
      var e = 0
      for n in range {
        for k in 0..<states {
          var u = energy[n]
          for t in 0..<width {
            var d = values[n * width + t] - centers[k * width + t]
            if isTorsion[t] {
              if d > .pi { d -= 2 * .pi } else if d < -.pi { d += 2 * .pi }
            }
            u += halves[k * width + t] * d * d
          }
          out[e] = u * betas[k]
          e += 1
        }
      }
    }
  }
}
