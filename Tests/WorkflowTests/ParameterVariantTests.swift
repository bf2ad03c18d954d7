import Foundation
import Testing

@testable import Workflow

/// Reads the force field.
private enum EnergyStage: StageType {
  static let type = "energy"
  static let version = 1
  static let summary = "reads the force field"
  static let reads = [forcefield]
  static func run(_ context: StageContext) throws {}
}

private let forcefield = SharedField(
  in: "system",
  ParameterField(
    "forcefield",
    .fileOrVariant([
      ParameterVariant(
        "quantum", summary: "no file",
        parameters: [
          ParameterField("solvent", .choice(["water", "none"]), default: "water", help: "around it"),
          ParameterField("net_charge", .integer(-5...5), default: 0, help: "of the molecule"),
        ]),
      ParameterVariant("table", summary: "a file", parameters: [ParameterField("file", .path, help: "the table")]),
    ]), optional: true, help: "a force field's file, or quantum"), isNeeded: true)

/// A value that is a file, or a method with parameters of its own.
@Suite struct ParameterVariantTests {
  let place: Workplace
  let registry = StageRegistry([EnergyStage.self], shared: [forcefield])

  init() throws {
    place = try Workplace()
    try place.write("a force field", to: "system.xml")
    try place.write("table", to: "a.dat")
  }

  func load(_ forceField: String) throws -> StageDefinition {
    try place.write("name: demo\nsystem: { forcefield: \(forceField) }\nstages: { a: { uses: energy } }")
    let pipeline = try PipelineLoader(registry: registry).load(
      place.folder.appendingPathComponent("test.yaml"), shownAs: "test.yaml", workingFolder: place.folder)
    return try #require(pipeline["a"])
  }

  func problem(_ forceField: String) -> String {
    do {
      _ = try load(forceField)
      return "nothing"
    } catch {
      return "\(error)"
    }
  }

  @Test func readsAFileAWordOrAGroup() throws {
    func value(_ text: String) throws -> ParameterValue { try #require(load(text).shared["forcefield"]) }
    let file = try value("system.xml")
    #expect(file.string?.hasSuffix("/system.xml") == true && file.variant == nil)
    let word = try #require(try value("quantum").variant)
    #expect(word.name == "quantum" && word.parameters == ["solvent": "water", "net_charge": 0])
    let group = try #require(try value("{ method: quantum, net_charge: -1 }").variant)
    #expect(group.parameters == ["solvent": "water", "net_charge": -1])
    let table = try #require(try value("{ method: table, file: a.dat }").variant)
    #expect(table.parameters["file"]?.string == place.folder.appendingPathComponent("a.dat").standardizedFileURL.path)
  }

  @Test(arguments: [
    (
      "quantom",
      "test.yaml:2:23: system: forcefield: unknown value 'quantom'; did you mean 'quantum'? "
        + "(known: quantum, table, a file's path)"
    ),
    ("nowhere.xml", "test.yaml:2:23: system: forcefield: there is no file nowhere.xml"),
    (
      "table", "test.yaml:2:23: system: forcefield: 'table' is not a group { method: table, file: ... }"
    ),
    ("{ solvent: water }", "test.yaml:2:23: system: forcefield needs 'method' (one of quantum, table)"),
    (
      "{ method: tabel }",
      "test.yaml:2:33: system: forcefield.method: unknown value 'tabel'; did you mean 'table'? (known: quantum, table)"
    ),
    (
      "{ method: quantum, solvant: water }",
      "test.yaml:2:42: unknown key 'solvant' in system: forcefield (quantum); did you mean 'solvent'? "
        + "(known: method, solvent, net_charge)"
    ),
    ("{ method: table, file: b.dat }", "test.yaml:2:46: system: forcefield.file: there is no file b.dat"),
    ("{ method: table }", "test.yaml:2:23: system: forcefield needs 'file' (the table)"),
    ("null", "test.yaml:2:9: stage 'a' needs 'forcefield' in 'system:'"),
  ])
  func saysWhatIsWrong(_ forceField: String, _ expected: String) {
    #expect(problem(forceField) == expected)
  }

  @Test func entersTheKey() throws {
    func key(_ forceField: String) throws -> StageKey {
      let stage = try load(forceField)
      let pipeline = PipelineDefinition(name: "demo", seed: 0, source: "test.yaml", stages: [stage])
      return try StageKey(stage, in: pipeline, digests: [:], files: FileDigests())
    }
    let quantum = try key("quantum")
    #expect(try key("{ method: quantum, solvent: water, net_charge: 0 }") == quantum)
    let vacuum = try key("{ method: quantum, solvent: none }")
    #expect(
      vacuum.differences(from: quantum.canonical, fields: []) == ["system.forcefield.parameters.solvent: water -> none"]
    )
    let table = try key("{ method: table, file: a.dat }")
    try place.write("table", to: "b.dat")
    #expect(try key("{ method: table, file: b.dat }") == table)
    try place.write("another", to: "b.dat")
    #expect(
      try key("{ method: table, file: b.dat }").differences(from: table.canonical, fields: [])
        == ["system.forcefield.parameters.file: the file's content changed"])
    #expect(try key("system.xml") != quantum)
  }

  @Test func isInTheSchema() throws {
    let text = PipelineSchema.schema(registry).canonicalJSON
    #expect(text.contains(#""description":"a force field's file, or quantum""#))
    #expect(text.contains(#""method":{"const":"table"}"#))
    #expect(text.contains(#""required":["method","file"]"#))
  }
}
