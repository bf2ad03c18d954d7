/// A stage that another one is made from, directly or not.
public struct Ancestor: Equatable, Sendable {
  public let name: String
  public let type: String  // The word after `uses:`
  public let inputs: [String]  // The stages it reads itself
  /// In s, all its runs up to its end together; nil where it is not finished, or its artifact cannot be read.
  public let wallSeconds: Double?
}

extension Engine {
  /// Everything that a stage is made from, each stage once and after those it reads itself: what a result has cost is the sum
  /// over them. Throws `EngineError.unknownStage`.
  public func lineage(of name: String) throws -> [Ancestor] {
    guard pipeline[name] != nil else { throw EngineError.unknownStage(name, in: pipeline) }
    let names = pipeline.ancestors(of: [name]).subtracting([name])
    return pipeline.stages.filter { names.contains($0.name) }.map { stage in
      Ancestor(
        name: stage.name, type: stage.type.type, inputs: stage.inputNames, wallSeconds: wallSeconds(of: stage.name))
    }
  }

  /// Of a stage and everything it is made from, s, each once; nil where one of them is not finished.
  func wallSeconds(upTo name: String) -> Double? {
    let times = pipeline.ancestors(of: [name]).sorted().map(wallSeconds(of:))
    let known = times.compactMap { $0 }
    return known.count == times.count ? known.reduce(0, +) : nil
  }

  private func wallSeconds(of name: String) -> Double? {
    (try? assessor.artifacts.provenance(name))?.provenance.wallSeconds
  }
}
