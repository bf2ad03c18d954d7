import Foundation
import TestSupport
import Testing

@testable import Stages

/// Pages of docs/ that are made from declarations.
@Suite struct DeclaredDocumentTests {
  /// Make them anew: swift run pipeline schema --artifacts > docs/artifacts.md, and --stages > docs/stages.md
  @Test(arguments: ["artifacts.md", "stages.md"]) func thePageIsTheOneOfTheDeclarations(name: String) throws {
    let declaration = name == "stages.md" ? StageCatalog.stageDocument : StageCatalog.artifactDocument
    let document = try String(contentsOf: Package.root.appendingPathComponent("docs/\(name)"), encoding: .utf8)
    let (written, declared) = (document.split(separator: "\n"), declaration.split(separator: "\n"))
    #expect(declared.filter { !written.contains($0) } == [])
    #expect(written.filter { !declared.contains($0) } == [])
    #expect(document == declaration)
  }

  /// Every stage type with every parameter of the schema, and links to sections that are there.
  @Test func theStagePageIsComplete() throws {
    let sections = Dictionary(
      uniqueKeysWithValues: StageCatalog.stageDocument.components(separatedBy: "\n## ").dropFirst().map { section in
        (String(section.prefix { $0 != "\n" }), section)
      })
    #expect(Set(sections.keys) == Set(StageCatalog.all.map { $0.type }).union(["Around the stages"]))
    let titles = StageCatalog.artifactDocument.split(separator: "\n").filter { $0.hasPrefix("## ") }
    let anchors = titles.map { $0.dropFirst(3).replacingOccurrences(of: ", ", with: "-") }
    for type in StageCatalog.all {
      let section = try #require(sections[type.type])
      for field in type.parameters { #expect(section.contains("| `\(field.name)` |"), "\(type.type): \(field.name)") }
      let link = try #require(section.firstMatch(of: #/artifacts\.md#([^)]+)/#)?.1)
      #expect(anchors.contains(String(link)))
    }
    #expect(sections["emulator"]?.contains("| `training.learning_rate` | number, above 0 |") == true)
  }

  @Test func everyStageTypeHasItsSection() {
    let titles = StageCatalog.artifactDocument.split(separator: "\n").filter { $0.hasPrefix("## ") }
      .flatMap { $0.dropFirst(3).split(separator: ", ").map(String.init) }
    #expect(Set(titles) == Set(StageCatalog.all.map { $0.type }).union(["Checkpoints"]))
  }
}
