public enum PipelineGraph {
  public static func text(_ pipeline: PipelineDefinition) -> String {
    pipeline.stages.map { stage in
      let inputs = stage.slots.map { "\($0.name): \($0.stages.joined(separator: ", "))" }.joined(separator: "; ")
      return "\(stage.name) (\(stage.type.type))" + (inputs.isEmpty ? "" : " <- \(inputs)")
    }.joined(separator: "\n")
  }

  public static func json(_ pipeline: PipelineDefinition) -> ParameterValue {
    let stages = pipeline.stages.map { stage -> ParameterValue in
      let inputs = stage.slots.map { slot -> ParameterValue in
        ["slot": .string(slot.name), "stages": .list(slot.stages.map { .string($0) })]
      }
      return ["stage": .string(stage.name), "type": .string(stage.type.type), "inputs": .list(inputs)]
    }
    return ["pipeline": .string(pipeline.name), "stages": .list(stages)]
  }

  public static func dot(_ pipeline: PipelineDefinition) -> String {
    var lines = ["digraph \"\(pipeline.name)\" {", "  rankdir=LR;", "  node [shape=box];"]
    for stage in pipeline.stages { lines.append("  \"\(stage.name)\" [label=\"\(stage.name)\\n\(stage.type.type)\"];") }
    for (input, stage, slot) in edges(pipeline) { lines.append("  \"\(input)\" -> \"\(stage)\" [label=\"\(slot)\"];") }
    return (lines + ["}"]).joined(separator: "\n")
  }

  public static func mermaid(_ pipeline: PipelineDefinition) -> String {
    // Mermaid's own words ("end") and signs (@ . -) cannot be node names: nodes are numbered
    var number: [String: Int] = [:]
    var lines = ["flowchart LR"]
    for (index, stage) in pipeline.stages.enumerated() {
      number[stage.name] = index
      lines.append("  s\(index)[\"\(stage.name)<br/>\(stage.type.type)\"]")
    }
    for (input, stage, slot) in edges(pipeline) {
      lines.append("  s\(number[input] ?? 0) -- \(slot) --> s\(number[stage] ?? 0)")
    }
    return lines.joined(separator: "\n")
  }

  private static func edges(_ pipeline: PipelineDefinition) -> [(input: String, stage: String, slot: String)] {
    pipeline.stages.flatMap { stage in stage.slots.flatMap { slot in slot.stages.map { ($0, stage.name, slot.name) } } }
  }
}
