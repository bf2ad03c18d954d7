import Artifacts
import HDF5

/// Frames of a molecule, in MDTraj's HDF5 trajectory convention 1.1: `mdtraj.load` reads the file.
public struct TrajectoryRecord<Coordinate: ArtifactScalar>: Record {
  public let conventions = Attribute("conventions", "MDTraj's name of the convention: Pande")
  public let conventionVersion = Attribute("conventionVersion", "1.1")
  public let program = Attribute("program", "what wrote the file")
  public let programVersion = Attribute("programVersion", "its version")
  public let topology = Texts(Paths.topology, axes: ["one"], "the molecule, in MDTraj's JSON")
  public let coordinates = Numbers<Coordinate>(
    "coordinates", unit: "nanometers", axes: ["frame", "atom", "axis"], "positions")
  public let origin: Attribute
  public let time = Numbers<Float>("time", unit: "picoseconds", axes: ["frame"], "of each frame, where it has one")
  public let torsions = TorsionRecord()

  init() { origin = Attribute(of: coordinates, "origin", "what lies at the origin: the centre of mass") }
}

/// The named torsions of frames.
public struct TorsionRecord: Record {
  public let angles = Named(under: Paths.torsions) {
    Reals($0, unit: "rad", axes: ["frame"], "the torsion of that name, in (-pi, pi]")
  }
  public let atoms = Named(under: Paths.torsions) {
    Attribute(of: Reals($0, axes: ["frame"], ""), "atoms", "its four atoms, counted from 0")
  }
}

/// `simulate`: frames of all runs, run after run.
public struct SimulateRecord: StageRecord {
  public static let stageType = "simulate"
  public let trajectory = TrajectoryRecord<Float>()
  public let energies = Reals(Paths.energies, unit: "kJ/mol", axes: ["frame"], "potential energy")
  public let frames = Integer(Paths.frames, "frames in all")
  public let run = Numbers<Int32>("results/run", axes: ["frame"], "which run a frame is of, from 0")
  public let steeredTorsions = Texts("results/steered_torsions", axes: ["torsion"], "torsions that led to the starts")
  public let targets = Reals("results/targets", unit: "rad", axes: ["run", "torsion"], "where each run was led to")
  public let attempts = Integers("results/attempts", axes: ["run"], "how often it was led, until it was there")
  public let transitions = Integers(
    "results/runs/transitions", axes: ["run"], "changes of the state, or of the first pair's first state")
  public let ensemble = Text(Paths.ensemble, "where bonds were held: which ensemble the frames belong to")
  public let exits = Integers("results/runs/exits", axes: ["run"], "exits from the state")
  public let statePopulation = Reals("results/runs/state_population", axes: ["run"], "share of frames in it")
  public let statisticalInefficiency = Reals(
    "results/runs/statistical_inefficiency", unit: "frames", axes: ["run"], "of the state's torsion")
  public let states = StatesRecord()
  public let simulatedTime = Real(Paths.simulatedTime, unit: "ps", "all runs, with steering and equilibration")
  public let energyEvaluations = Integer(Paths.energyEvaluations, "steps of dynamics, and what moves cost")
  public let moves = TorsionMoveRecord()
  public let seconds = Measured(Paths.seconds, "wall time of the dynamics")
}

/// Monte Carlo moves of side chains: key `rotamer_moves`.
public struct TorsionMoveRecord: Record {
  public let names = Texts("results/turned_torsions", axes: ["torsion"], "torsions that moves turned")
  public let acceptance = Reals("results/turn_acceptance", axes: ["torsion"], "share of moves that were taken")
}

/// Checkpoints of `simulate`: frames since the last part, and the state of all runs.
public struct SimulateCheckpointRecord: Record {
  public let frames = checkpoint(Float.self, "frames", unit: "nm", "frames since the last part, run after run")
  public let counts = checkpoint(Int.self, "counts", "how many of these numbers each run has")
  public let phase = checkpoint(Int.self, "phase", "what each run is at")
  public let attempt = checkpoint(Int.self, "attempt", "of its way to its start")
  public let done = checkpoint(Int.self, "done", "steps or frames of its phase")
  public let turnsTried = checkpoint(Int.self, "turns_tried", "moves by torsion")
  public let turnsTaken = checkpoint(Int.self, "turns_taken", "those that were taken")
  public let steps = Integer("simulate/steps", "of all runs")
  public let positions = checkpoint(Double.self, "positions", "of each run")
  public let velocities = checkpoint(Double.self, "velocities", "of each run")

  private static func checkpoint<T>(_: T.Type, _ name: String, unit: String? = nil, _ meaning: String) -> Numbers<T> {
    Numbers("simulate/\(name)", unit: unit, axes: [], meaning, namesAxes: false, compression: .none)
  }
}

/// `ingest`: frames that were checked, made whole and centred.
public struct IngestRecord: StageRecord {
  public static let stageType = "ingest"
  public let trajectory = TrajectoryRecord<Float>()
  public let frames = Integer(Paths.frames, "frames taken over")
  public let forces = Numbers<Float>(
    "forces", unit: "kJ/mol/nm", axes: ["frame", "atom", "axis"],
    "where they are asked for: on each atom, by the force field of the frames' dynamics")
  public let forcesTemperature = Real(
    "results/forces_temperature", unit: "K", "of the dynamics that the forces are compared with")
  public let files = Texts("results/files", axes: ["file"], "names of the files, without folders")
  public let constraints = Text(
    "results/constraints", "where bonds were held: what was made of them, flexible or rigid")
  public let heldBonds = Integers(
    "results/held_bonds", axes: ["bond", "end"], "rigid: atoms of the bonds that are constant")
  public let heldLengths = Reals("results/held_lengths", unit: "nm", axes: ["bond"], "rigid: their lengths")
  public let sourceFile = Numbers<Int32>("results/source/file", axes: ["frame"], "which of the files")
  public let sourceFrame = Integers("results/source/frame", axes: ["frame"], "which frame of it, from 0")
  public let droppedCount = Integer("results/dropped/count", "frames left out")
  public let droppedFile = Numbers<Int32>("results/dropped/file", axes: ["dropped"], "which of the files")
  public let droppedFrame = Integers("results/dropped/frame", axes: ["dropped"], "which frame of it, from 0")
  public let droppedReason = Numbers<UInt8>("results/dropped/reason", axes: ["dropped"], "which of the reasons")
  public let reasonNames = Texts("results/dropped/reason_names", axes: ["reason"], "reasons to leave frames out")
  public let slowTorsions = SlowTorsionRecord()
}

/// Parts of an `ingest` that are saved on the way, beside the rows of the artifact itself.
public struct IngestPartRecord: Record {
  public let frame = Integers("listed/frame", axes: ["listed"], "bad frames named so far", namesAxes: false)
  public let reason = Numbers<UInt8>("listed/reason", axes: ["listed"], "why they are bad", namesAxes: false)
  public let file = Texts("listed/file", axes: ["listed"], "their files")
  public let detail = Texts("listed/detail", axes: ["listed"], "the reasons in words")
}

/// Which torsions of a molecule frames do not sample.
public struct SlowTorsionRecord: Record {
  public let names = Texts("results/slow_torsions/names", axes: ["torsion"], "rotatable torsions without a bias")
  public let fold = Integers("results/slow_torsions/fold", axes: ["torsion"], "2 pi / fold is a full turn")
  public let changes = Integers("results/slow_torsions/changes", axes: ["torsion"], "of the basin")
  public let sampled = Numbers<UInt8>(
    "results/slow_torsions/sampled", axes: ["torsion"],
    "1 where every basin was changed often enough, and halves agree")
  public let center = Reals(
    "results/slow_torsions/basins/center", unit: "rad", axes: ["torsion", "basin"], "nan where there is none")
  public let population = Reals(
    "results/slow_torsions/basins/population", axes: ["torsion", "basin"], "share of the frames")
  public let basinChanges = Integers(
    "results/slow_torsions/basins/changes", axes: ["torsion", "basin"], "times it was entered or left; -1 for none")
  public let halves = Reals(
    "results/slow_torsions/basins/halves", axes: ["torsion", "basin", "half"],
    "shares in the first and second halves of each stretch of time")
  public let disagreeingWindows = Integers(
    "results/slow_torsions/disagreeing_windows", axes: ["torsion"],
    "umbrella sampling: windows in which the two walks stand in different basins")
}
