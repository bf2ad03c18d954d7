import Foundation
import FreeEnergies

func showFreeEnergies() throws {
  // angles of a density that is known, the uniform one, weighted to exp(-3 cos(phi - 1))
  let turn = 2 * Double.pi
  let angles = (0..<20_000).map { turn * ((Double($0) + 0.5) / 20_000 - 0.5) }
  let result = try Reweighting(
    reducedPotential: angles.map { 3 * cos($0 - 1) }, logDensities: [angles.map { _ in -log(turn) }], angle: angles,
    state: TorsionState(from: 0, to: 2))
  print("dF = \(result.deltaF) +- \(result.deltaFStandardError) kT, \(result.effectiveFraction) of the samples count")
}
