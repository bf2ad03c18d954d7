import Foundation
import TestSupport
import Testing

@testable import Stages

@Suite struct ArtifactDocumentTests {
  /// Make it anew: swift run pipeline schema --artifacts > docs/artifacts.md
  @Test func theDocumentIsTheOneOfTheDeclarations() throws {
    let document = try String(contentsOf: Package.root.appendingPathComponent("docs/artifacts.md"), encoding: .utf8)
    let (written, declared) = (document.split(separator: "\n"), StageCatalog.artifactDocument.split(separator: "\n"))
    #expect(declared.filter { !written.contains($0) } == [])
    #expect(written.filter { !declared.contains($0) } == [])
    #expect(document == StageCatalog.artifactDocument)
  }

  @Test func everyStageTypeHasItsSection() {
    let titles = StageCatalog.artifactDocument.split(separator: "\n").filter { $0.hasPrefix("## ") }
      .flatMap { $0.dropFirst(3).split(separator: ", ").map(String.init) }
    #expect(Set(titles) == Set(StageCatalog.all.map { $0.type }).union(["Checkpoints"]))
  }
}
