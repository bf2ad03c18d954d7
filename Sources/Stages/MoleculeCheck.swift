import Workflow

/// What a stage type's values say of the molecule, held against each other before anything runs.
enum MoleculeCheck {
  /// What a stage wants of the force field.
  enum Need {
    case energies, dynamics
    /// Dynamics that needs an OpenMM System.
    case systemDynamics
    /// Of samples whose bonds may be constant: a System may hold them.
    case rigidEnergies

    fileprivate var purpose: String { [.dynamics, .systemDynamics].contains(self) ? "dynamics" : "reweighting" }
  }

  /// The topology is readable and, where the stage needs it, the force field too, and of the same molecule. What is found is told at the
  /// value's own line.
  /// The state and the torsions, where the stage reads them, are the molecule's. Nil where there is no molecule, or none that can be read.
  @discardableResult
  static func run(_ stage: PlannedStage, needs need: Need? = nil) -> MolecularSystem? {
    func reads(_ field: SharedField) -> Bool { stage.type.reads.contains { $0.name == field.name } }
    if reads(.states), stage.checking(stage.placeOfStates, { try stage.declaredStates() }) == nil { return nil }
    guard reads(.topology), let molecule = stage.checking(.shared(.topology), { try MolecularSystem(planned: stage) })
    else { return nil }
    if reads(.torsions) { _ = stage.checking(.shared(.torsions)) { try molecule.namedTorsions() } }
    if reads(.state) || (consultsStates(stage) && stage.shared[SharedField.states.name] ?? .null != .null) {
      _ = stage.checking(stage.placeOfStates) { try molecule.states() }
    }
    guard let need else { return molecule }
    let shared = SharedField.molecule.compactMap { stage.shared[$0.name]?.canonicalJSON }.joined(separator: " ")
    let files = "\(shared) \(stage.forcefield.canonicalJSON)"
    _ = stage.checking(.shared(.forcefield)) {
      try stage.once("\(need) \(files)") {
        try withAdvice {
          switch need {
          case .energies: _ = try molecule.engine(for: need.purpose, threads: 1)
          case .rigidEnergies: _ = try molecule.allowing(.bonds).engine(for: need.purpose, threads: 1)
          case .dynamics: _ = try molecule.dynamicsForces(for: need.purpose)
          case .systemDynamics: _ = try molecule.dynamicsSystem(for: need.purpose)
          }
        }
        return true
      }
    }
    return molecule
  }
}

extension MoleculeCheck {
  fileprivate static func consultsStates(_ stage: PlannedStage) -> Bool {
    stage.type.consults.contains { $0.name == SharedField.states.name }
  }
}

extension PlannedStage {
  /// Where the file names its states.
  var placeOfStates: Place {
    .shared((shared[SharedField.states.name] ?? .null) == .null ? .state : .states)
  }
}

extension RecordedStage {
  static func check(_ stage: PlannedStage) throws { MoleculeCheck.run(stage) }
}

extension PlannedStage {
  /// Three numbers for each atom of each frame.
  func writes(frames: Double, atoms: Int, bytesPerNumber: Double) {
    writes(atLeast: frames * Double(3 * atoms) * bytesPerNumber)
  }
}
