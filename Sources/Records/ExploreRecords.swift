import Artifacts
import HDF5

/// `explore`: dynamics from weighted samples, and the regions that it reaches and the emulator practically never draws.
public struct ExploreRecord: StageRecord {
  public static let stageType = "explore"
  public let trajectory = TrajectoryRecord<Float>()
  public let temperatures = Reals("ladder/temperatures", unit: "K", axes: ["rung"], "of the ladder, the lowest first")
  public let torsions = Numbers<Float>(
    "ladder/torsions", unit: "rad", axes: ["round", "set", "rung", "torsion"], "before each exchange")
  public let energies = Reals(
    "ladder/energies", unit: "kJ/mol", axes: ["round", "set", "rung"], "potential energies before each exchange")
  public let walks = Integers(
    "ladder/walks", axes: ["round", "set", "rung"], "which walk is at each temperature before the exchange, from 0")
  public let starts = Integers("ladder/starts", axes: ["walk"], "rows of the samples that the walks began at")
  public let acceptance = Reals("ladder/acceptance", axes: ["pair"], "of exchanges between a rung and the next")
  public let torsionNames = Texts("results/explored/torsions", axes: ["torsion"], "those that were looked at")
  public let folds = Integers(
    "results/explored/fold", axes: ["torsion"], "equal places of a full turn of each, 2 for a phenyl ring")
  public let verdict = Text(
    "results/verdict",
    "missing, none found, or cannot tell, where walks or samples are too few for that to say anything")
  public let missing = Integer("results/missing", "regions that the emulator misses")
  public let missingWeight = Real(
    "results/missing_weight", "lower bound of the Boltzmann weight of the heaviest of them; 0 without any")
  public let regions = RegionsRecord()
  public let frameRegion = Integers(
    "results/frame_region", axes: ["frame"], "which region each frame lies in, from 0; -1 for none")
  public let effectiveSamples = Real("results/effective_samples", "Kish's, of the weighted samples")
  public let arrivals = Integer("results/arrivals", "how often a walk came to the lowest temperature from the highest")
  public let smallestWeight = Real(
    "results/smallest_weight",
    "a region of this weight would have been found in 19 of 20 cases, if the hottest walks cross all barriers on their way"
  )
  public let settledFrom = Integer("results/settled_from", "the first round that counts")
  public let ensemble = Text(Paths.ensemble, "where bonds were held: which ensemble the dynamics belongs to")
  public let simulatedTime = Real(Paths.simulatedTime, unit: "ps", "of all walks")
  public let energyEvaluations = Integer(Paths.energyEvaluations, "steps of dynamics, and what moves cost")
  public let moves = TorsionMoveRecord()
  public let forceProvider = Text(Paths.forceProvider, "what computed the forces")
  public let forceDeviation = Real(Paths.forceDeviation, "largest difference from OpenMM's, relative")
  public let seconds = Measured(Paths.seconds, "wall time of the dynamics")
}

/// Regions that dynamics reaches and hardly a sample lies in, those that are missing first.
public struct RegionsRecord: Record {
  public let names = Texts("results/regions/name", axes: ["region"], "its torsions and their ranges, and states")
  public let torsions = Integers(
    "results/regions/torsions", axes: ["region", "axis"], "its torsions, from 0; -1 where there is one")
  public let arcs = Reals(
    "results/regions/arcs", unit: "rad", axes: ["region", "axis", "end"], "what they range over; nan where there is one"
  )
  public let isMissing = Integers(
    "results/regions/missing", axes: ["region"], "1 where the emulator misses it, 0 where that is not certain")
  public let weight = Reals(
    "results/regions/weight", axes: ["region"], "Boltzmann weight: share of the frames at the lowest temperature")
  public let bounds = Reals(
    "results/regions/bounds", axes: ["region", "end"],
    "95 %; the lower one holds whether or not the walks have come to rest, the upper one if they have")
  public let visits = Reals("results/regions/visits", axes: ["region"], "independent visits of walks, effectively")
  public let sets = Integers("results/regions/sets", axes: ["region"], "independent sets of walks that reached it")
  public let drawn = Integers("results/regions/drawn", axes: ["region"], "samples in it and around it")
  public let samplesWeight = Reals("results/regions/samples_weight", axes: ["region"], "their share of all weight")
  public let effective = Reals("results/regions/effective", axes: ["region"], "Kish's, of these samples")
  public let expected = Reals(
    "results/regions/expected", axes: ["region", "bound"],
    "effective samples that the dynamics asks for, by the lower bound and by the weight")
  public let shift = Reals(
    "results/regions/delta_f_shift", unit: "kT", axes: ["region"],
    "what dF moves by where the lower bound of the region's weight joins the samples; not finite where a state of it had no weight"
  )
}

/// Checkpoints of `explore`: where all walks stand, and what they recorded.
public struct ExploreCheckpointRecord: Record {
  public let round = Integer("explore/round", "exchanges done")
  public let steps = Integer("explore/steps", "of all walks")
  public let positions = list(Double.self, "positions")
  public let velocities = list(Double.self, "velocities")
  public let walkers = list(Int.self, "walkers")
  public let torsions = list(Double.self, "torsions")
  public let energies = list(Double.self, "energies")
  public let occupants = list(Int.self, "occupants")
  public let coldFrames = list(Float.self, "cold_frames")
  public let attempts = list(Int.self, "attempts")
  public let acceptances = list(Int.self, "acceptances")
  public let rejections = list(Int.self, "rejections")
  public let turnsTried = list(Int.self, "turns_tried")
  public let turnsTaken = list(Int.self, "turns_taken")

  private static func list<T>(_: T.Type, _ name: String) -> Numbers<T> {
    Numbers("explore/\(name)", axes: [], "", namesAxes: false, compression: .none)
  }
}
