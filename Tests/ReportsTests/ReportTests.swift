import Basics
import Foundation
import TestSupport
import Testing

@testable import Reports

@Suite struct ReportTests {
  static let options = Report.Options(
    title: "alanine", temperature: 300, state: "0 < phi < 2 rad", torsion: "phi",
    limits: RunFixture.limits)

  private func report(full: Bool = true, warnings: [String] = []) throws -> (Report, Scratch) {
    let scratch = try Scratch()
    var fixture = RunFixture(scratch.url)
    return (try Report(compared: fixture.compared(full: full, warnings: warnings), options: Self.options), scratch)
  }

  @Test func summarySetsTheAnswersSideBySide() throws {
    let (report, scratch) = try report()
    defer { withExtendedLifetime(scratch) {} }
    #expect(
      report.summary.rows == [
        ["boltzmann", "energy-model ebm", "3.81", "–", "3.74 to 3.88", "34.0", "36.0", "–", "3", "0.37", "5,000"],
        ["traced", "stochastic-trace", "3.79", "–", "3.72 to 3.86", "19.0", "21.0", "–", "3", "0.37", "5,000"],
        ["umbrella", "umbrella sampling, MBAR", "3.86", "0.040", "–", "–", "–", "–", "–", "–", "–"],
      ])
    #expect(report.terminalText.hasSuffix("\n\n" + report.summary.rendered()))
  }

  @Test func everyPieceThatWasWrittenIsShown() throws {
    let (report, scratch) = try report()
    defer { withExtendedLifetime(scratch) {} }
    #expect(
      report.sections.map(\.title) == [
        "Free energy", "Populations", "Samples and weights", "Energy model", "Umbrella sampling", "Training", "Timing",
        "All results", "Provenance",
      ])
    #expect(
      Set(report.sections.flatMap(\.figures).map(\.id)) == [
        "free-energy-differences", "profile", "ramachandran-frames", "ramachandran-fresh", "ramachandran-boltzmann",
        "ramachandran-traced", "log-weights", "energies", "likelihoods-ebm", "overlap-umbrella", "difference-boltzmann",
        "difference-traced",
        "windows-umbrella-statistical_inefficiency", "loss-emulator", "loss-ebm",
      ])
    let model = try #require(report.sections.first { $0.title == "Energy model" }?.tables.first)
    #expect(model.rows == [["ebm", "2,000", "0.940", "0.9850", "2e-05", "0.005", "250 x"]])
    let parts = try #require(report.sections.first { $0.title == "Umbrella sampling" }?.tables.first)
    #expect(parts.rows == [["umbrella", "first half", "3.87"], ["umbrella", "second half", "3.84"]])
    let everything = try #require(report.sections.first { $0.title == "All results" }?.tables.first)
    #expect(everything.rows.contains(["boltzmann", "delta_f_interval", "3.74, 3.88", "kT"]))
    let states = try #require(report.sections.first { $0.title == "Populations" }?.tables.first)
    #expect(states.rows.first == ["boltzmann", "phi in (0, 2)", "2.16", "2", "2.32", "49", "30"])
  }

  @Test func anAuditStandsBesideWhatItAuditsAndShowsItsMethods() throws {
    let scratch = try Scratch()
    var fixture = RunFixture(scratch.url)
    let compared = try fixture.compared()
    let audit = try fixture.audit(of: compared[0])
    let report = try Report(compared: [compared[0], audit, compared[2]], options: Self.options)
    #expect(
      report.summary.rows[1] == [
        "audit", "audit of boltzmann", "3.84", "0.025", "3.79 to 3.89", "30.0", "–", "–", "–", "–", "–",
      ])
    let tables = try #require(report.sections.first { $0.title == "Audit" }).tables
    #expect(
      tables[0].rows == [
        [
          "audit", "boltzmann", "2,000", "0.280", "0.9985", "-0.030 ± 0.020", "0.001 ± 0.002", "0.031 ± 0.020", "30.0",
          "28.0",
        ]
      ])
    #expect(
      tables[1].rows == [
        ["exact-trace", "0.280", "0.000", "0.9900", "30.0", "3.900", "0.060", "0.02"],
        ["energy-model", "0.280", "–", "0.9900", "30.0", "3.900", "0.060", "0.02"],
      ])
  }

  /// It gives no free energy, and stands in a section of its own.
  @Test func anExplorationSaysWhatIsMissing() throws {
    let scratch = try Scratch()
    var fixture = RunFixture(scratch.url)
    let compared = try fixture.compared()
    let explored = try fixture.exploration(of: compared[0])
    let report = try Report(compared: [compared[0], explored], options: Self.options)
    #expect(report.summary.rows.map { $0[0] } == ["boltzmann"] && report.note == nil)
    let tables = try #require(report.sections.first { $0.title == "Exploration" }).tables
    #expect(tables[0].rows == [["explored", "boltzmann", "missing", "1", "0.62", "57", "10.5", "8383", "10"]])
    #expect(
      tables[1].rows == [
        [
          "explored", "phi from 0.52 to 1.31 rad", "yes", "2.1", "0.62", "4", "10.7", "0", "0", "0.0", "52", "-0.31",
        ],
        [
          "explored", "psi from -1.83 to -1.57 rad", "not certain", "0.1", "0.01", "0.5", "2.0", "3", "0.0001", "1.2",
          "1", "–",
        ],
      ])
  }

  @Test func missingPiecesAreLeftOut() throws {
    let (report, scratch) = try report(full: false)
    defer { withExtendedLifetime(scratch) {} }
    #expect(
      report.sections.map(\.title) == ["Free energy", "Energy model", "Timing", "All results", "Provenance"])
    #expect(report.sections.flatMap(\.figures).map(\.id) == ["free-energy-differences"])
    let page = try ReportPage(report).html(plotly: nil)
    #expect(page.contains("energy-model ebm"))
  }

  /// A page over thousands of stages has to open: tables hold them all, pictures the first ones and the reference.
  @Test func ofManyStagesTheFirstAreShownInFull() throws {
    let scratch = try Scratch()
    var fixture = RunFixture(scratch.url)
    let some = try fixture.compared()
    func many(_ count: Int) -> [ReportedStage] {
      (0..<count).map {
        ReportedStage(
          name: "traced@m\($0)", type: some[1].type, method: some[1].method, artifact: some[1].artifact,
          inputs: some[1].inputs)
      } + [some[2]]
    }
    let (few, all) = (
      try Report(compared: many(31), options: Self.options), try Report(compared: many(500), options: Self.options)
    )
    #expect(few.note == nil)
    #expect(all.note?.hasPrefix("501 stages are set side by side here.") == true)
    #expect(all.summary.rows.count == 501)
    let figures = all.sections.flatMap(\.figures)
    #expect(
      figures.map(\.id).contains("ramachandran-traced@m31") && !figures.map(\.id).contains("ramachandran-traced@m32"))
    #expect(figures.map(\.id).contains("overlap-umbrella"), "the reference")
    let forest = try #require(figures.first { $0.id == "free-energy-differences" })
    guard case .points(_, let x, _, _, _, _)? = forest.series.first else {
      Issue.record("no points")
      return
    }
    #expect(forest.series.count == 1 && x.count == 501)
    let page = try ReportPage(all).html(plotly: "")
    #expect(page.contains("501 stages are set side by side here.") && page.contains("traced@m499"))
    let more = try ReportPage(Report(compared: many(1000), options: Self.options)).html(plotly: "")
    #expect(
      more.utf8.count - page.utf8.count < 500 * 2000,
      "each further stage takes some rows: \(more.utf8.count - page.utf8.count) bytes")
    #expect(Self.unclosedElements(page) == [])
  }

  @Test func warningsAreLoud() throws {
    let (report, scratch) = try report(warnings: ["halves disagree: 3.6 <-> 4.0 kT"])
    defer { withExtendedLifetime(scratch) {} }
    // an artifact of an older program tells no gravity
    #expect(report.warnings == [.init(stage: "umbrella", remark: Remark("halves disagree: 3.6 <-> 4.0 kT"))])
    #expect(report.terminalText.contains("\n\nWARNING  umbrella: halves disagree: 3.6 <-> 4.0 kT\n\nFree-energy"))
    let page = try ReportPage(report).html(plotly: nil)
    #expect(page.contains("<strong>umbrella</strong>: halves disagree: 3.6 &lt;-&gt; 4.0 kT"))
  }

  @Test func pageIsWellFormedAndAlone() throws {
    let (report, scratch) = try report(warnings: ["a & b"])
    defer { withExtendedLifetime(scratch) {} }
    for plotly in [nil, "window.Plotly = { newPlot() { return '</script>' } }"] {
      let page = try ReportPage(report).html(plotly: plotly)
      #expect(page.hasPrefix("<!DOCTYPE html>"))
      #expect(!page.contains("http://") && !page.contains("https://"), "the page must not ask anything of a network")
      #expect(Self.unclosedElements(page) == [])
      #expect(!page.contains("{{"))
      #expect(page.contains("<svg ") == (plotly == nil))
      #expect(page.utf8.count < (plotly == nil ? 3_000_000 : 1_500_000))
      if plotly != nil {
        #expect(page.components(separatedBy: "</script>").count == 3, "a script must not be ended by its own text")
      }
    }
  }

  @Test func figuresAreValidJSON() throws {
    let (report, scratch) = try report()
    defer { withExtendedLifetime(scratch) {} }
    for figure in report.sections.flatMap(\.figures) {
      let parsed = try JSONSerialization.jsonObject(with: Data(PlotlyFigure(figure: figure).json.utf8))
      let object = try #require(parsed as? [String: Any])
      let traces = try #require(object["data"] as? [[String: Any]])
      #expect(!traces.isEmpty)
      for trace in traces where trace["type"] as? String != "heatmap" {
        #expect((trace["x"] as? [Any])?.count == (trace["y"] as? [Any])?.count)
      }
    }
  }

  /// Elements that are opened and not closed in order (void and self-closing ones aside); scripts and styles are skipped.
  static func unclosedElements(_ page: String) -> [String] {
    var text = page[...]
    var open: [String] = []
    var wrong: [String] = []
    while let start = text.firstIndex(of: "<"), let end = text[start...].firstIndex(of: ">") {
      let tag = text[text.index(after: start)..<end]
      text = text[text.index(after: end)...]
      if tag.hasPrefix("!") || tag.hasSuffix("/") { continue }
      if tag.hasPrefix("/") {
        let name = String(tag.dropFirst())
        if open.popLast() != name { wrong.append("/\(name)") }
        continue
      }
      let name = String(tag.prefix { $0.isLetter || $0.isNumber })
      open.append(name)
      if name == "script" || name == "style", let close = text.range(of: "</\(name)>") {
        text = text[close.lowerBound...]
      }
    }
    return wrong + open
  }
}

@Suite struct BinningTests {
  @Test func densityIntegratesToTheShareInRange() {
    let density = Binning.density([0.1, 0.2, 0.9, 5, .nan], range: 0...1, count: 4)
    #expect(density == [2, 0, 0, 1])  // of four finite values, three lie in bins of width 1/4
    #expect(Binning.density([0.1, 0.9], weights: [3, 1], range: 0...1, count: 2) == [1.5, 0.5])
  }

  @Test func torusFreeEnergyIsZeroWhereItIsFullest() {
    let map = Binning.torusFreeEnergy(x: [1, 1, -1], y: [1, 1, -1], weights: [1, 1, 1], count: 2)
    #expect(map[1][1] == 0 && abs(map[0][0] - log(2)) < 1e-12)
    #expect(map[0][1].isNaN && map[1][0].isNaN)
  }

  @Test func thinningKeepsTheEnds() {
    let kept = Binning.thinned(100_001, limit: 2000)
    #expect(kept.count == 2000 && kept.first == 0 && kept.last == 100_000)
    #expect(Binning.thinned(3, limit: 2000) == [0, 1, 2])
  }

  @Test func blocksKeepTheLargest() {
    let blocks = Binning.blockMaximum([1, 0, 0, 0, 2, 0, 0, 0, 3], size: 3, limit: 2)
    #expect(blocks == [[2, 0], [0, 3]])
  }

  @Test func weightsAreSafe() {
    #expect(
      Binning.weights([1000, -.infinity, .nan, 1000 - log(2)]).map { ($0 * 1e9).rounded() / 1e9 } == [1, 0, 0, 0.5])
    #expect(Binning.middle([3, 3], share: 0.9) == nil)
  }
}

@Suite struct PlotlyTests {
  @Test func isFoundWhereBootstrapPutIt() throws {
    let scratch = try Scratch()
    let place = scratch.url.appendingPathComponent(Plotly.place)
    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data("// Plotly".utf8).write(to: place)
    #expect(Plotly.script(environment: ["BOLTZMILL_DEPS": scratch.url.path]) == "// Plotly")
    #expect(Plotly.script(environment: ["BOLTZMILL_DEPS": scratch.url.path + "/nowhere"]) == nil)
  }
}

@Suite struct WordsTests {
  /// A word has one meaning, on pages and in the documentation.
  @Test func pagesExplainWordsAsTheGlossaryDoes() throws {
    let glossary = try String(contentsOf: Package.root.appendingPathComponent("docs/glossary.md"), encoding: .utf8)
    for (word, meaning) in Words.all {
      #expect(glossary.contains("**\(word).** \(meaning)\n"), "\(word)")
    }
    #expect(Set(Words.all.map(\.word)).count == Words.all.count)
  }
}

@Suite struct BatchPageTests {
  @Test func aRowSaysWhatThereIsAndWhyTheRestIsNot() throws {
    let scratch = try Scratch()
    var fixture = RunFixture(scratch.url)
    let compared = try fixture.compared()
    let profile = try #require(try BatchPage.Profile(of: compared[0].artifact, stage: "boltzmann"))
    #expect(try BatchPage.Profile(of: compared[0].inputs["samples"]!.artifact, stage: "fresh") == nil)
    let page = try BatchPage(
      title: "batch", axes: ["system", "steps"],
      columns: [.init(title: "dF boltzmann / kT", decimals: 2), .init(title: "ESS boltzmann / %", decimals: 1)],
      rows: [
        .init(
          cell: ["AC", "2000"], state: "done", isDone: true, why: nil, verdict: .doubts, values: [3.81, 34],
          errors: [0.04, nil], seconds: 61,
          profiles: [profile], page: "runs/batch/report@AC.html"),
        .init(
          cell: ["<ET>", "2000"], state: "1 of 4", isDone: false, why: "emulator@ET: no artifact yet",
          values: [nil, nil], errors: [nil, nil],
          seconds: nil, profiles: [], page: nil),
      ]
    ).html()
    #expect(page.contains("2 combinations, 1 of them finished. The others show what there is of them"))
    #expect(
      page.contains(
        "<th scope=\"row\"><a href=\"runs/batch/report@AC.html\">AC</a></th><td>2000</td><td>done</td><td data-value=\"1\" class=\"doubt\">doubts</td>"
      ))
    #expect(page.contains("<td data-value=\"3.81\" class=\"right\">3.81 ± 0.04</td>"))
    #expect(
      page.contains(
        "&lt;ET&gt;</th><td>2000</td><td>1 of 4<span class=\"why\">emulator@ET: no artifact yet</span></td><td data-value=\"\">–</td>"
      ))
    // headings point at the columns they sort by: the profiles stand between words and numbers
    #expect(
      page.contains(
        "<th scope=\"col\" data-place=\"3\"><button type=\"button\">verdict</button></th><th scope=\"col\">profiles</th>"
      ))
    #expect(page.contains("data-place=\"5\" class=\"right\"><button type=\"button\">dF boltzmann / kT"))
    #expect(page.contains("<td data-value=\"\" class=\"right\">–</td>"))
    #expect(page.components(separatedBy: "<svg class=\"small\"").count == 2)
    #expect(ReportTests.unclosedElements(page) == [])
    #expect(!page.contains("{{") && !page.contains("http"))
  }
}
