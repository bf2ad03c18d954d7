import Artifacts
import Basics
import Foundation
import Generative
import Records

extension ArtifactWriter {
  func write(_ points: LabelledPoints, _ record: LabelledPointsRecord) throws {
    let shape = [points.count, points.dimension]
    try write(record.internalCoordinates, points.values, shape: shape)
    try write(record.gradients, points.gradients, shape: shape)
    try write((record.logDensities, points.logDensities), (record.drawnDensities, points.drawnDensities))
    try write((record.states, points.states), (record.sources, points.sources), (record.rounds, points.rounds))
  }

  func write(_ state: Perturbation.State) throws {
    let record = Recorded.perturbCheckpoint
    try write(record.phase, state.phase)
    try write(state.points, record.points)
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    try write(record.rounds, String(decoding: try encoder.encode(state.rounds), as: UTF8.self))
    guard let model = state.model else { return }
    try write((record.header, model.header), (record.chart, model.chart))
    for (name, array) in model.tensors.sorted(by: { $0.key < $1.key }) { try write(record.tensors[name], array) }
  }
}

extension Artifact {
  func labelledPoints(_ record: LabelledPointsRecord) throws -> LabelledPoints {
    let values = try read(record.internalCoordinates)
    var points = LabelledPoints(dimension: values.shape.count == 2 ? values.shape[1] : 0)
    points.values = values.values
    points.gradients = try read(record.gradients).values
    points.logDensities = try read(record.logDensities).values
    points.drawnDensities = try read(record.drawnDensities).values
    points.states = try read(record.states).values
    points.sources = try read(record.sources).values
    points.rounds = try read(record.rounds).values
    return points
  }

  func perturbation() throws -> Perturbation.State {
    let record = Recorded.perturbCheckpoint
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    var model: ModelArchive?
    if has(record.header) {
      var tensors: [String: NDArray<Float>] = [:]
      for group in ModelArchive.groups {
        for name in try list("\(record.tensors.group)/\(group)") {
          tensors["\(group)/\(name)"] = try read(record.tensors["\(group)/\(name)"])
        }
      }
      model = ModelArchive(header: try read(record.header), chart: try read(record.chart), tensors: tensors)
    }
    return Perturbation.State(
      points: try labelledPoints(record.points), phase: try read(record.phase), model: model,
      rounds: try decoder.decode([Perturbation.Round].self, from: Data(read(record.rounds).utf8)))
  }
}
