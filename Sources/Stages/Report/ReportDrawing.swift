import Artifacts
import Basics
import Foundation
import FreeEnergies
import Generative
import Molecules
import Records
import Reports
import Workflow

/// What a report is made from: the stages it compares, what is asked of them, and what reads their artifacts.
public enum ReportDrawing {
  /// `title`: what the report is about. Throws where the states of the pipeline file do not fit together.
  public static func material(
    _ context: StageContext, title: String
  ) throws -> (compared: [ReportedStage], options: Report.Options) {
    let inputs = context.inputs(\ReportStage.Inputs.compare)
    let declared = try context.declaredStates()
    let distances = context.distances
    var readers = Report.Readers()
    readers.molecule = { text, frame in
      guard let topology = try? Topology(mdtrajJSON: text, coordinates: frame) else { return nil }
      return MoleculeDrawing.Molecule(
        elements: topology.atoms.map(\.element), bonds: topology.bonds.map { [$0.first, $0.second] })
    }
    let states = try declared.stateSet { distances[$0] == nil }
    readers.states = { stage in
      let columns = try states.coordinates.map { $0.isTorsion ? try stage.torsion($0.name) : nil }
      guard let count = columns.lazy.compactMap({ $0?.count }).first,
        columns.allSatisfy({ $0 == nil || $0?.count == count })
      else { return nil }
      let found = states.assignment(columns, count: count)
      return found.isTold.allSatisfy { $0 } ? found.place : nil
    }
    let windows = Dictionary(
      inputs.flatMap { [$0] + $0.inputs.values }.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    readers.windows = { stage, torsions in
      guard let input = windows[stage.name] else { return nil }
      let samples: BiasedSamples
      switch stage.type {
      case UmbrellaStage.type: samples = try BiasedSamples(umbrella: input, context)
      case WindowsStage.type: samples = try BiasedSamples(windows: input)
      default: return nil
      }
      let columns = torsions.compactMap { samples.names.firstIndex(of: $0) }
      guard columns.count == torsions.count else { return nil }
      let found = samples.torsions(columns)
      return Report.WeightedSamples(columns: found.columns, weights: found.weights)
    }
    readers.isConstrained = { $0 == Ensemble.rigid.summary }
    readers.surroundings = { text in
      (try? JSONDecoder().decode(ParameterValue.self, from: Data(text.utf8)))?.surroundings
    }
    // a page drawn elsewhere is of the run folder that its inputs lie in
    let folder = inputs.first?.artifact.url.deletingLastPathComponent()
    let options = Report.Options(
      title: title, temperature: context.temperature, state: declared.title,
      torsion: declared.leadingCoordinates.first { distances[$0] == nil }, isOfNamedStates: !declared.isShort,
      limits: limits, readers: readers, pipelineFile: folder.flatMap { RunOrigin.read($0)?.pipeline.shown })
    return (try inputs.map(reported), options)
  }

  /// The limits that the stages and the science set themselves.
  static let limits = Report.Limits(
    samplesForNumber: StateSupport.fewestForNumber, samplesForInterval: StateSupport.fewestForInterval,
    tailShape: ParetoSmoothing.largestShape, effectiveFraction: ReweightStage.leastEffectiveFraction,
    largestWeight: ReweightStage.mostOfOneSample, energyModelError: EnergyModelStage.largestError,
    auditBias: AuditStage.largestBias, contradiction: CycleStage.mostErrors,
    overlap: UmbrellaAnalysis.Options().overlapThreshold,
    thermometer: SteinCheck.tolerance, thermometerOfCoordinate: SteinCheck.coordinateTolerance,
    thermometerOfTorsion: SteinCheck.torsionTolerance)

  /// An input with those of its inputs that the report declares.
  private static func reported(_ input: StageInput) throws -> ReportedStage {
    let type = input.stageType ?? StageCatalog.all.first { $0.type == input.type }
    return ReportedStage(
      name: input.name, type: input.type, method: try (type as? any RecordedStage.Type)?.method?(input),
      artifact: input.artifact,
      inputs: try input.inputs.mapValues(reported))
  }
}
