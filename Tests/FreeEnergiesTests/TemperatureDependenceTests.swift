import Basics
import Foundation
import Testing

@testable import FreeEnergies

/// Two harmonic wells of a molecule of three coordinates, of which everything is known.
@Suite struct TemperatureDependenceTests {
  private let boltzmann = PhysicalConstants.thermalEnergy(temperature: 1)
  // kJ/mol per squared coordinate, and the second well's depth
  private let stiff = [400.0, 100, 50], soft = [100.0, 50, 50], depth = 4.0

  /// Samples of a wider law: half in each well, at 450 K.
  private func samples(_ count: Int) -> (energies: [Double], logDensities: [Double], inside: [Double]) {
    var random = RandomStream(seed: 7, "wells")
    let wide = boltzmann * 450
    var (energies, densities, angles): ([Double], [Double], [Double]) = ([], [], [])
    for n in 0..<count {
      let springs = n % 2 == 0 ? stiff : soft
      var (energy, density) = (n % 2 == 0 ? 0 : depth, log(0.5))
      for spring in springs {
        let width = (wide / spring).squareRoot()
        let x = width * random.normal()
        energy += spring * x * x / 2
        density -= x * x / (2 * width * width) + log(width) + 0.5 * log(2 * .pi)
      }
      energies.append(energy)
      densities.append(density)
      angles.append(n % 2 == 0 ? 1 : -1)
    }
    return (energies, densities, angles)
  }

  @Test func wellsOfKnownSprings() throws {
    var (energies, densities, angles) = samples(60_000)
    // a clash, which weighs nothing, takes no digits
    (energies, densities, angles) = (energies + [1e15], densities + [-5], angles + [1])
    let states = StateAssignment(angle: angles, state: TorsionState(from: 0, to: 2))
    var options = Reweighting.Options()
    (options.bootstrapReplicates, options.seed) = (200, 3)
    let temperatures = [250.0, 300, 400]
    let found = try TemperatureDependence(
      temperatures: temperatures, energies: energies, logDensities: [densities], states: states, options: options)
    #expect(found.rows.map(\.temperature) == temperatures)
    for row in found.rows {
      let thermal = boltzmann * row.temperature
      // F = U0 + kT/2 sum ln k, up to what is the same in both
      let entropy = zip(stiff, soft).reduce(0) { $0 + 0.5 * log($1.0 / $1.1) }
      let exact = (free: -depth + thermal * entropy, enthalpy: -depth, entropy: -thermal * entropy)
      for (estimate, value) in [
        (row.freeEnergies[0], exact.free), (row.enthalpies[0], exact.enthalpy), (row.entropies[0], exact.entropy),
      ] {
        #expect(estimate.standardError > 0 && estimate.standardError < 0.08, "\(row.temperature): \(estimate)")
        #expect(abs(estimate.value - value) < 4 * estimate.standardError, "\(row.temperature): \(estimate), \(value)")
        #expect(estimate.interval[0] < estimate.value && estimate.value < estimate.interval[1])
      }
      // three half k, and two levels beside
      let share = 1 / (1 + exp(exact.free / thermal))
      let capacity = 1.5 * boltzmann + share * (1 - share) * depth * depth / (thermal * row.temperature)
      #expect(row.heatCapacity.standardError < 0.05 * capacity)
      #expect(abs(row.heatCapacity.value - capacity) < 4 * row.heatCapacity.standardError)
      #expect(abs(row.enthalpies[0].value - row.entropies[0].value - row.freeEnergies[0].value) < 1e-9)
    }
  }

  /// At the samples' own temperature it is `Reweighting`'s, and far from it there is no number.
  @Test func withoutSupportThereIsNoNumber() throws {
    let (energies, densities, angles) = samples(4000)
    let states = StateAssignment(angle: angles, state: TorsionState(from: 0, to: 2))
    var options = Reweighting.Options()
    options.bootstrapReplicates = 50
    let found = try TemperatureDependence(
      temperatures: [0.5, 300], energies: energies, logDensities: [densities], states: states, options: options)
    #expect(found.rows[0].freeEnergies[0].value.isNaN && found.rows[0].heatCapacity.value.isNaN)
    let plain = try Reweighting(
      reducedPotential: energies.map { $0 / (boltzmann * 300) }, logDensities: [densities], states: states, angle: nil,
      options: options)
    #expect(abs(found.rows[1].freeEnergies[0].value / (boltzmann * 300) - plain.deltaF) < 1e-9)
    #expect(abs(found.rows[1].freeEnergies[0].standardError / (boltzmann * 300) / plain.deltaFStandardError - 1) < 0.4)
    #expect(found.rows[1].effectiveFraction == plain.effectiveFraction)
  }
}
