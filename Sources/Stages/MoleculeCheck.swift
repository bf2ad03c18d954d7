import Workflow

/// What a stage type's values say of the molecule, held against each other before anything runs.
enum MoleculeCheck {
  /// What a stage wants of the force field.
  enum Need {
    case energies, dynamics

    fileprivate var purpose: String { self == .energies ? "reweighting" : "dynamics" }
  }

  /// The topology is readable and, where the stage needs it, the force field too, and of the same molecule. What is found is told at the
  /// value's own line.
  static func run(_ stage: PlannedStage, needs need: Need? = nil) {
    guard stage.type.reads.contains(where: { $0.name == SharedField.topology.name }),
      let molecule = stage.checking(.shared(.topology), { try MolecularSystem(planned: stage) })
    else { return }
    guard let need else { return }
    let shared = SharedField.molecule.compactMap { stage.shared[$0.name]?.canonicalJSON }.joined(separator: " ")
    let files = "\(shared) \(stage.forcefield.canonicalJSON)"
    _ = stage.checking(.shared(.forcefield)) {
      try stage.once("\(need) \(files)") {
        try withAdvice {
          switch need {
          case .energies: _ = try molecule.engine(for: need.purpose, threads: 1)
          case .dynamics: _ = try molecule.dynamicsSystem(for: need.purpose)
          }
        }
        return true
      }
    }
  }
}

extension RecordedStage {
  static func check(_ stage: PlannedStage) throws { MoleculeCheck.run(stage) }
}
