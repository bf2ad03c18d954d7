import Testing

@testable import Molecules

@Suite struct ChiralityTests {
  @Test func alanineHasOneCentreAndItsMirrorImageIsInverted() throws {
    let topology = try Fixtures.alanine()
    let chirality = try Chirality(topology: topology)
    #expect(chirality.centres.map(\.atom) == [8])
    #expect(chirality.centres[0].label == "CA of ALA 2")
    let x = topology.referenceCoordinates
    let mirrored = x.enumerated().map { $0 % 3 == 2 ? -$1 : $1 }
    #expect(chirality.invertedCentres(in: x).isEmpty)
    #expect(chirality.invertedCentres(in: x + mirrored, frame: 1) == [8])
    #expect(chirality.invertedFrames(in: x + mirrored + x) == [1])
  }

  @Test func centresOfDipeptides() throws {
    let expected = [
      "GN": ["CA of ASN 2"], "AC": ["CA of ALA 1", "CA of CYS 2"],
      "ET": ["CA of GLU 1", "CA of THR 2", "CB of THR 2"], "IM": ["CA of ILE 1", "CB of ILE 1", "CA of MET 2"],
      "NY": ["CA of ASN 1", "CA of TYR 2"],
    ]
    for (name, centres) in expected {
      let topology = try Fixtures.dipeptide(name)
      #expect(try Chirality(topology: topology).centres.map(\.label) == centres, "\(name)")
    }
  }

  @Test func symmetricRingAtomIsNoCentre() throws {
    // methylcyclobutane without its further hydrogens' coordinates: ring 0-1-2-3, methyl 4 and hydrogen 5 on atom 0
    var elements = ["C", "C", "C", "C", "C", "H"]
    var bonds = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (0, 5)]
    for carbon in [1, 1, 2, 2, 3, 3, 4, 4, 4] {
      bonds.append((carbon, elements.count))
      elements.append("H")
    }
    let count = 3 * elements.count
    let symmetric = try Fixtures.molecule(elements, bonds, [Double](repeating: 0, count: count))
    #expect(Chirality.stereocentres(of: symmetric).isEmpty)
    // fluorine in place of one hydrogen of atom 1 breaks the symmetry: atoms 0 and 1 become centres
    elements[6] = "F"
    let broken = try Fixtures.molecule(elements, bonds, [Double](repeating: 0, count: count))
    #expect(Chirality.stereocentres(of: broken) == [0, 1])
    #expect(throws: MoleculesError.flatCentre(atom: broken.label(of: 0))) { try Chirality(topology: broken) }
  }
}
