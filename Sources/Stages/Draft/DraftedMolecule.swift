import ForceFields
import Foundation
import FreeEnergies
import Molecules
import Workflow

/// What a draft is made of: the files of one molecule.
public struct DraftFiles {
  /// PDB file or prmtop; the force field's where that is a prmtop.
  public var topology: URL?
  /// A serialised OpenMM System or a prmtop; or "gfn2-xtb".
  public var forceField: String
  public var trajectories: [URL]
  /// As in `system.atoms`.
  public var atoms: String?
  /// PDB file or restart of a topology that is a prmtop.
  public var coordinates: URL?

  public init(
    topology: URL? = nil, forceField: String, trajectories: [URL] = [], atoms: String? = nil, coordinates: URL? = nil
  ) {
    (self.topology, self.forceField, self.trajectories) = (topology, forceField, trajectories)
    (self.atoms, self.coordinates) = (atoms, coordinates)
  }

  /// What a pipeline file that only names the force field puts around the molecule; nil for a System, which tells it.
  var assumedSolvent: String? {
    if isMethod { return "in implicit water (GBSA)" }
    guard let field = EnergyMethods.method(file: URL(fileURLWithPath: forceField)) as? AMBERForceField else {
      return nil
    }
    return EnergyMethods.surroundings(field.implicitSolvent, hasSurfaceTerm: field.hasSurfaceTerm)
  }

  /// The same behind the line that names it.
  var solventComment: String? {
    assumedSolvent.map { "\($0), assumed" + (isMethod ? "" : "; surface_term: ace adds one") }
  }

  func withSurfaceTerm(_ file: String) -> String { "forcefield: { method: amber, file: \(file), surface_term: ace }" }

  /// The force field is no file.
  var isMethod: Bool { forceField == EnergyMethods.xTB.variant.name }
}

/// One molecule as a draft sees it: its coordinates of interest and states, from its frames or else from its bonds.
struct DraftedMolecule {
  struct State {
    let name: String
    /// By torsion, rad.
    let box: [(torsion: String, from: String, to: String)]
    let share: Double?  // Of the frames

    var text: String {
      "\(name): { \(box.map { "\($0.torsion): [\($0.from), \($0.to)]" }.joined(separator: ", ")) }"
    }
  }

  let files: DraftFiles
  let molecule: Molecule
  let survey: FrameSurvey?
  /// Torsions that the states are of, and those that dynamics without frames is led along.
  private(set) var torsions: [(name: String, atoms: [Int])] = []
  private(set) var states: [State] = []
  /// The states' count of frames or their lack, and why these.
  private(set) var reason = ""
  /// Why the borders of the states are where they are, in a few words.
  private(set) var borders = ""
  /// Where dynamics begins besides the middles of the states: angles of `torsions`, rad.
  private(set) var starts: [[Double]] = []

  var topology: Topology { molecule.topology }
  /// A method of quantum chemistry gives energies of samples, and no dynamics.
  var hasDynamics: Bool { !files.isMethod }

  private static let (mostStates, mostPhis) = (4, 6)

  /// Throws `MoleculesError`, `TrajectoryError`, `IngestError`, `DraftError`.
  init(_ files: DraftFiles, temperature: Double? = nil) throws {
    var files = files
    let field = URL(fileURLWithPath: files.forceField)
    if files.topology == nil {
      guard !files.isMethod, MoleculeFile.isPrmtop(field) else {
        throw DraftError.noTopology(forceField: files.forceField)
      }
      files.topology = field
    }
    self.files = files
    func value(_ url: URL?) -> ParameterValue { url.map { .string($0.path) } ?? .null }
    let isPrmtop = files.topology.map(MoleculeFile.isPrmtop) ?? false
    // as in a pipeline file, the force field tells bonds that the topology leaves to distances
    let guesses = !files.isMethod && !isPrmtop && files.topology.map(MoleculeFile.guessesBonds) ?? false
    molecule = try Molecule([
      SharedField.bonds.name: value(guesses ? field : nil),
      SharedField.topology.name: value(files.topology),
      SharedField.coordinates.name: value(isPrmtop ? files.coordinates ?? files.trajectories.first : nil),
      SharedField.atoms.name: files.atoms.map { .list([.string($0)]) } ?? .null,
    ])
    survey =
      files.trajectories.isEmpty
      ? nil : try FrameSurvey(molecule, trajectories: files.trajectories, isWhole: false, temperature: temperature)
    if let proposal = survey?.proposal, !proposal.chosen.isEmpty {
      take(proposal)
    } else {
      try takeBonds()
    }
  }

  /// For a matrix, whose cells name one torsion each: one state against the rest, under the same name everywhere.
  mutating func keepOne(named name: String) {
    torsions = torsions.prefix(1).map { (name, $0.atoms) }
    states = Array(states.prefix(1))
    starts = []
  }

  /// States of the places that frames show, those of the slowest torsion, or of the two slowest.
  private mutating func take(_ proposal: StateProposal) {
    let names = ProposedStates.names(of: proposal, topology)
    torsions = zip(names, proposal.chosen).map { ($0, $1.torsion.atoms) }
    let total = Double(max(1, proposal.samples))
    states = proposal.arcs.prefix(Self.mostStates).enumerated().map { index, arcs in
      State(
        name: ProposedStates.letter(index),
        box: zip(names, arcs).map {
          ($0, ProposedStates.number($1.from), ProposedStates.number($1.to))
        }, share: Double(proposal.counts[index]) / total)
    }
    let changes = zip(names, proposal.chosen).map { "\($0) has \($1.places) places and changed \($1.changes) times" }
    borders = "borders where the frames' histogram is lowest"
    reason = "the places of the slowest torsion\(torsions.count == 1 ? "" : "s"): " + changes.joined(separator: ", ")
    if proposal.arcs.count > states.count {
      reason += "; \(proposal.arcs.count - states.count) rarer places are in the rest"
    }
  }

  /// Where frames show one place only, or there are none: phi of a peptide, else the torsion in the molecule's middle.
  private mutating func takeBonds() throws {
    let why = survey == nil ? "no frames tell states" : "the frames show one place of every torsion"
    // proline's does not turn; of a long peptide the middle one is asked for
    var phis = topology.turningPhis
    if phis.count > Self.mostPhis { phis = [phis[phis.count / 2]] }
    if !phis.isEmpty {
      let names = phis.map { phi in
        ProposedStates.name(RotatableTorsion(name: "", atoms: phi.atoms), topology) ?? phi.fullName
      }
      torsions = zip(names, phis.map(\.atoms)).map { ($0, $1) }
      func state(_ name: String, left: Int?) -> State {
        State(
          name: name,
          box: names.enumerated().map { $1 == names[safe: left] ? ($1, "0", "3.1415") : ($1, "3.1415", "0") },
          share: nil)
      }
      states =
        [state("right", left: nil)]
        + zip(names.indices, phis).map { state(names.count == 1 ? "left" : "left\($1.residue)", left: $0) }
      borders = "phi > 0 is left-handed"
      reason = "\(why); phi of a peptide turns slowest, so each is asked for its left-handed place"
      if topology.turningPhis.count == 1, let psi = try? topology.torsion(named: "psi") {
        torsions.append(("psi", psi))
        starts = [[-1.3, 2.4], [-1.3, -1], [1, 2.4], [1, -1]]
      }
      return
    }
    guard let middle = topology.middleTorsion else { throw DraftError.noTorsion }
    let name = ProposedStates.name(middle, topology) ?? "t"
    torsions = [(name, middle.atoms)]
    states = [State(name: "trans", box: [(name, "2", "-2")], share: nil)]
    borders = "borders around pi, trans"
    reason =
      "\(why); \(middle.name) is the torsion in the molecule's middle, and its trans place is set against the rest"
  }
}

extension Array {
  fileprivate subscript(safe index: Int?) -> Element? { index.flatMap { indices.contains($0) ? self[$0] : nil } }
}

extension Topology {
  /// Of the torsions that are no rotors, one between two tetrahedral atoms if there is any (what turns about a double bond or an amide's
  /// stays where it is), with the most heavy atoms on its smaller side.
  fileprivate var middleTorsion: RotatableTorsion? {
    let heavy = atoms.filter { $0.element != "H" }.count
    func rank(_ torsion: RotatableTorsion) -> (Int, Int, Int) {
      let side = (turningAtoms(of: torsion.atoms) ?? []).filter { atoms[$0].element != "H" }.count
      return (torsion.isStaggered ? 1 : 0, Swift.min(side, heavy - side), -torsion.atoms[1])
    }
    return rotatableTorsions.filter { $0.fold == 1 && turnsFreely($0) }.max { rank($0) < rank($1) }
  }

  /// Not between two flat atoms: double bonds, amides and their like keep their places in any dynamics.
  private func turnsFreely(_ torsion: RotatableTorsion) -> Bool { torsion.atoms[1...2].contains(where: isTetrahedral) }

  /// phi of every residue in which it is in no ring.
  var turningPhis: [NamedTorsion] {
    let turning = rotatableTorsions
    return namedTorsions.filter { phi in
      phi.name == "phi" && turning.contains { Set($0.atoms[1...2]) == Set(phi.atoms[1...2]) }
    }
  }
}
