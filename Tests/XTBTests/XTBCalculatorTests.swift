import Foundation
import TestSupport
import Testing

@testable import XTB

/// Energies and forces by the xtb program (Fixtures/make_xtb_energies.py).
struct XTBFixture: Decodable {
  struct Case: Decodable {
    let atomicNumbers: [Int]
    let charge: Int
    let solvent: String?
    let coordinatesNm: [Double]
    let energiesKjMol: [Double]
    let forcesKjMolNm: [Double]

    func calculator(threads: Int = 1) throws -> XTBCalculator {
      try XTBCalculator(atomicNumbers: atomicNumbers, charge: charge, solvent: solvent, threads: threads)
    }

    func frame(_ index: Int) -> [Double] {
      let size = 3 * atomicNumbers.count
      return Array(coordinatesNm[index * size..<(index + 1) * size])
    }
  }
  let cases: [Case]

  static func load() throws -> [Case] {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(XTBFixture.self, from: Data(contentsOf: Package.fixture("xtb_energies.json"))).cases
  }
}

@Suite("GFN2-xTB by libxtb")
struct XTBCalculatorTests {
  /// Energies are converged to 1e-6 hartree, 0.003 kJ/mol, by either; the program and the library agree far better.
  @Test func equalsTheXTBProgram() throws {
    for reference in try XTBFixture.load() {
      let calculator = try reference.calculator()
      #expect(calculator.atomCount == reference.atomicNumbers.count)
      let result = try calculator.energiesAndForces(reference.coordinatesNm)
      #expect(result.energies.count == reference.energiesKjMol.count)
      for (energy, expected) in zip(result.energies, reference.energiesKjMol) {
        #expect(abs(energy - expected) < 1e-5)
      }
      #expect(result.forces.count == reference.forcesKjMolNm.count)
      for (force, expected) in zip(result.forces, reference.forcesKjMolNm) {
        #expect(abs(force - expected) < 1e-2 * max(1, abs(expected) / 100))
      }
      #expect(try calculator.energies(reference.coordinatesNm) == result.energies)
    }
  }

  /// To the last bit: neither threads, nor the order of frames, nor a failure before a frame enter its energy.
  @Test func aFrameAloneDecides() throws {
    let reference = try XTBFixture.load()[0]
    let alone = try (0..<reference.energiesKjMol.count).map {
      try reference.calculator().energies(reference.frame($0))[0]
    }
    let order = [0, 3, 1, 2, 1, 0, 3, 2, 2, 0]
    var collapsed = reference.frame(0)
    for i in collapsed.indices { collapsed[i] *= 0.4 }
    let coordinates = order.flatMap { reference.frame($0) }
    for threads in [1, 3] {
      let calculator = try reference.calculator(threads: threads)
      #expect(try calculator.energies(coordinates) == order.map { alone[$0] })
      #expect(try calculator.energies(collapsed)[0] == .infinity)
      #expect(try calculator.energies(coordinates) == order.map { alone[$0] })
    }
  }

  @Test func impossibleFramesHaveInfiniteEnergy() throws {
    let reference = try XTBFixture.load()[0]
    let calculator = try reference.calculator(threads: 2)
    let sound = reference.frame(0)
    var overlapping = sound
    for axis in 0..<3 { overlapping[3 * 20 + axis] = sound[axis] }
    var undefined = sound
    undefined[7] = .nan
    var remote = sound
    remote[0] = 1e300
    let scattered = sound.indices.map { sound[$0] * 1000 }  // atoms by themselves: the charges do not converge
    let result = try calculator.energiesAndForces(sound + overlapping + undefined + remote + scattered + sound)
    #expect(result.energies[0].isFinite && result.energies[5] == result.energies[0])
    #expect(result.energies[1...4].allSatisfy { $0 == .infinity })
    let size = sound.count
    #expect(result.forces[..<size].allSatisfy { $0.isFinite })
    #expect(result.forces[size..<5 * size].allSatisfy { $0.isNaN })
    #expect(try calculator.energies([]) == [])
  }

  @Test func refusesWhatItCannotCompute() throws {
    #expect(throws: XTBError.unknownElement(number: 92, atom: 1)) {
      try XTBCalculator(atomicNumbers: [1, 92], solvent: nil, threads: 1)
    }
    #expect(throws: XTBError.oddElectrons(electrons: 9, charge: 0, unpaired: 0)) {
      try XTBCalculator(atomicNumbers: [8, 1], solvent: nil, threads: 1)
    }
    #expect(throws: XTBError.oddElectrons(electrons: 2, charge: 0, unpaired: 3)) {
      try XTBCalculator(atomicNumbers: [1, 1], unpairedElectrons: 3, solvent: nil, threads: 1)
    }
    #expect(throws: XTBError.unknownSolvent("soup", known: XTBCalculator.solvents)) {
      try XTBCalculator(atomicNumbers: [1, 1], solvent: "soup", threads: 1)
    }
    #expect(throws: XTBError.noAtoms) { try XTBCalculator(atomicNumbers: [], solvent: nil, threads: 1) }
    let hydrogen = try XTBCalculator(atomicNumbers: [1, 1], solvent: nil, threads: 1)
    #expect(throws: XTBError.wrongShape(values: 7, atoms: 2)) { try hydrogen.energies([0, 0, 0, 0, 0, 0.074, 0]) }
  }

  @Test(arguments: XTBCalculator.solvents) func knowsItsSolvents(_ solvent: String) throws {
    let water = [0, 0, 0, 0.0757, 0.0586, 0, -0.0757, 0.0586, 0]
    let alone = try XTBCalculator(atomicNumbers: [8, 1, 1], solvent: nil, threads: 1).energies(water)[0]
    let solvated = try XTBCalculator(atomicNumbers: [8, 1, 1], solvent: solvent, threads: 1).energies(water)[0]
    #expect(solvated.isFinite && abs(solvated - alone) > 0.1 && abs(solvated - alone) < 100)
  }

  @Test func knowsItsVersion() throws {
    #expect(try XTBLibrary.version().hasPrefix("6."))
  }
}
