import Testing

@testable import Molecules

@Suite struct MassesTests {
  /// Hydrogens of 3 dalton: the molecule weighs what it did, and no atom less than a hydrogen.
  @Test func massesMoveFromHeavyAtomsToHydrogens() throws {
    let topology = try Fixtures.alanine()
    let masses = topology.masses
    let moved = try topology.repartitionedMasses(masses, hydrogenMass: 3)
    #expect(abs(moved.reduce(0, +) - masses.reduce(0, +)) < 1e-12)
    // CH3, its hydrogens, C and O of the acetyl group, N and H of the amide
    #expect(moved[0] == 3 && moved[2] == 3 && moved[3] == 3 && moved[7] == 3)
    let carbon: Double = masses[1] - 3 * (3 - masses[0])
    #expect(abs(moved[1] - carbon) < 1e-12 && moved[4] == masses[4] && moved[5] == masses[5])
    #expect(abs(moved[6] + moved[7] - masses[6] - masses[7]) < 1e-12)
    #expect {
      try topology.repartitionedMasses(masses, hydrogenMass: 4.5)
    } throws: {
      "\($0)".hasPrefix("a hydrogen mass of 4.5 dalton leaves CH3 of ACE 1 with")
        && "\($0)".hasSuffix("; 3 suits all molecules")
    }
    #expect(throws: MoleculesError.inconsistent("1 masses for 22 atoms")) {
      try topology.repartitionedMasses([1], hydrogenMass: 3)
    }
  }
}
