import Basics
import FreeEnergies
import Records
import Workflow

/// Samples of umbrella windows with their weights, as a comparison takes them.
struct BiasedSamples {
  /// Of torsions, the biased ones first.
  let names: [String]
  let biased: Int  // How many carry a bias
  /// Some of the torsions, by index, with the weights.
  let torsions: ([Int]) -> WeightedTorsions
  /// 0 or 1: which half of the data a sample belongs to.
  let half: (Int) -> Int

  /// Of an umbrella stage. Throws `ArtifactError`, `FreeEnergiesError`.
  init(umbrella input: StageInput, _ context: StageContext) throws {
    let (artifact, record) = (input.artifact, Recorded.umbrella)
    let centers = try artifact.read(record.centers)
    let kT = PhysicalConstants.thermalEnergy(temperature: context.temperature)
    let lengths = try artifact.readIfThere(record.lengths)?.values
    let bias = lengths == nil ? record.sharedBias : record.samplesSharedBias
    let samples = try UmbrellaSamples(
      records: artifact.read(lengths == nil ? record.torsions : record.samples), centers: centers,
      forceConstants: artifact.read(record.forceConstants).values.map { $0 / kT },
      freeEnergies: artifact.read(record.windowFreeEnergy).values,
      sharedBias: artifact.readIfThere(bias)?.values.map { $0 / kT }, lengths: lengths)
    (names, biased) = (try artifact.read(record.torsionNames), centers.shape[1])
    (torsions, half) = (samples.torsions, samples.half)
  }

  /// Of windows that someone has run. Throws `ArtifactError`.
  init(windows input: StageInput) throws {
    let (artifact, record) = (input.artifact, Recorded.windows)
    let there = Set(try artifact.names(record.torsions))
    let names = try artifact.read(record.coordinateNames).filter(there.contains)
    let columns = try names.map { try artifact.read(record.torsions[$0]).values }
    let weights = normalisedWeights(logWeights: try artifact.read(record.logWeights).values)
    let (window, place) = (try artifact.read(record.window).values, try artifact.read(record.place).values)
    var last: [Int: Int] = [:]
    for (window, place) in zip(window, place) { last[window] = max(last[window] ?? 0, place) }
    let halves = zip(window, place).map { 2 * $1 <= (last[$0] ?? 0) ? 0 : 1 }
    (self.names, biased) = (names, names.count)
    torsions = { indices in WeightedTorsions(columns: indices.map { columns[$0] }, weights: weights) }
    half = { halves[$0] }
  }
}
