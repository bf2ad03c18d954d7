import Foundation
import Records
import Testing

@testable import Stages
@testable import Workflow

/// The rules of docs/architecture.md, held against the sources themselves.
@Suite struct HouseTests {
  private static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Sources")

  private static let science = ["Molecules", "Trajectories", "ForceFields", "FreeEnergies", "Generative", "Dynamics"]

  /// By path below Sources, without comments.
  private static func code(_ module: String) throws -> [(file: String, text: String)] {
    let folder = sources.appendingPathComponent(module)
    let files = try #require(FileManager.default.enumerator(atPath: folder.path)).compactMap { $0 as? String }
    return try files.filter { $0.hasSuffix(".swift") }.sorted().map { file in
      let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false).filter {
        !$0.drop { $0 == " " }.hasPrefix("//")
      }
      return ("\(module)/\(file)", lines.joined(separator: "\n"))
    }
  }

  private static let modules: [String] =
    (try? FileManager.default.contentsOfDirectory(atPath: sources.path))?.sorted() ?? []

  @Test func importsPointDown() throws {
    let above: [String: [String]] = [
      "Artifacts": ["Records", "Reports", "Workflow", "Stages"] + Self.science,
      "Records": ["Reports", "Workflow", "Stages"] + Self.science, "Reports": ["Workflow", "Stages"] + Self.science,
      "Workflow": ["Records", "Reports", "Stages"] + Self.science, "Stages": ["pipeline"],
    ]
    let upstairs = ["Artifacts", "Records", "Reports", "Workflow", "Stages", "HDF5"]
    var seen = 0
    for module in Self.modules {
      var forbidden = above[module] ?? (Self.science.contains(module) ? upstairs : [])
      // one of its formats is HDF5
      if module == "Trajectories" { forbidden.removeAll { $0 == "HDF5" } }
      for (file, text) in try Self.code(module) {
        seen += 1
        for name in forbidden where text.contains("import \(name)\n") { Issue.record("\(file) imports \(name)") }
      }
    }
    #expect(seen > 300)
  }

  /// A C library is imported by one module.
  @Test func eachCLibraryHasOneModule() throws {
    var importers: [String: Set<String>] = [:]
    for module in Self.modules {
      for (_, text) in try Self.code(module) {
        for line in text.split(separator: "\n") where line.hasPrefix("import C") {
          importers[String(line.dropFirst(7)), default: []].insert(module)
        }
      }
    }
    #expect(importers.count >= 7)
    for (library, modules) in importers where library != "Crypto" {
      #expect(modules.count == 1, "\(library): \(modules)")
    }
  }

  @Test func theEngineKnowsNoScience() throws {
    for (file, text) in try Self.code("Workflow") {
      for word in ["torsion", "topology", "temperature", "cuda", "molecule", "forcefield"] {
        #expect(!text.lowercased().contains(word), "\(file): \(word)")
      }
    }
  }

  /// Each dataset of the declared records stands in the sources once.
  @Test func datasetsAreNamedOnce() throws {
    let groups = ["results/", "draws/", "training/", "pool/", "umbrella/", "simulate/", "reweight/", "energy_model/"]
    for module in Self.modules where module != "Records" {
      for (file, text) in try Self.code(module) {
        for group in groups where text.contains("\"\(group)") { Issue.record("\(file) names a dataset in \(group)") }
      }
    }
    let records = try Self.code("Records").map(\.text).joined()
    let literals = records.matches(of: #/"([a-z_]+(/[a-z_0-9]+)+)"/#).map { String($0.1) }
    #expect(literals.count > 150)
    let counts = Dictionary(literals.map { ($0, 1) }, uniquingKeysWith: +)
    for (path, count) in counts where count > 1 { Issue.record("\(path) stands \(count) times in Records") }
  }

  /// Science speaks of what it is given, not of keys of a pipeline file: those are for the stage to name.
  @Test func scienceNamesNoKeys() throws {
    func keys(_ fields: [ParameterField]) -> [String] {
      fields.flatMap { field -> [String] in
        if case .object(let inner) = field.kind { return [field.name] + keys(inner) }
        return [field.name]
      }
    }
    let known = Set(StageCatalog.all.flatMap { keys($0.parameters) }.filter { $0.contains("_") })
    #expect(known.count > 30)
    for module in Self.science {
      for (file, text) in try Self.code(module) {
        // the odd pieces between quotation marks
        let literals = text.components(separatedBy: "\"").enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        for literal in literals.map({
          $0.replacingOccurrences(of: #"\\\(.*?\)"#, with: "", options: .regularExpression)
        }) where literal.contains(" ") {
          let words = Set(literal.split { !($0.isLetter || $0 == "_") }.map(String.init))
          #expect(words.isDisjoint(with: known), "\(file): \(literal)")
          #expect(!literal.contains("system.") && !literal.contains("pipeline"), "\(file): \(literal)")
        }
      }
    }
  }
}
