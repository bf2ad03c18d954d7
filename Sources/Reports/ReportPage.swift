import Basics
import Foundation
import Mustache

/// Sets a report as one HTML file that needs nothing else: no network, no second file.
public struct ReportPage {
  /// Stands where the Plotly script goes, so that the page can be kept without its 5 MB.
  static let scriptPlace = "<!-- plotly.min.js -->"

  private let report: Report

  public init(_ report: Report) { self.report = report }

  /// The page.
  ///
  /// - Parameter plotly: the text of plotly.min.js; without it figures are drawn as SVG, and the page says so.
  /// - Throws: only if the page's own template were malformed.
  public func html(plotly: String?) throws -> String {
    let page = try body(interactive: plotly != nil)
    guard let plotly else { return page }
    // "</script" inside the script would end it early; inside JavaScript "<\/script" means the same.
    let safe = plotly.replacingOccurrences(of: "</script", with: "<\\/script")
    return page.replacingOccurrences(of: Self.scriptPlace, with: "<script>\(safe)</script>")
  }

  /// The page without the Plotly script, its place marked if `interactive`.
  func body(interactive: Bool) throws -> String {
    let template = try MustacheTemplate(string: ReportTemplate.page)
    let figures = report.sections.flatMap(\.figures)
    let json = figures.map { PlotlyFigure(figure: $0).json }.joined(separator: ",\n")
    return template.render(
      [
        "title": report.options.title,
        "subtitle": report.subtitle,
        "hasNote": report.note != nil,
        "note": report.note ?? "",
        "script": interactive ? Self.scriptPlace : "",
        "static": !interactive,
        "figures": interactive ? json : "",
        "interactive": interactive,
        "hasVerdict": report.verdict != nil,
        "verdict": report.verdict.map { [verdict($0)] } ?? [],
        "hasWarnings": !report.warnings.isEmpty,
        "warnings": report.warnings.map(warning),
        "sections": report.sections.map { section($0, interactive: interactive) },
        "wordCount": "\(Words.all.count)", "words": Words.all.map { ["word": $0.word, "meaning": $0.meaning] },
        "stages": report.stages.map { ["name": $0.name, "canonical": $0.canonical] },
      ] as [String: Any])
  }

  private func verdict(_ verdict: Verdict) -> [String: Any] {
    func doubts(_ isGrave: Bool) -> [[String: Any]] {
      verdict.doubts.filter { $0.isGrave == isGrave }.map { ["text": $0.text, "cure": Self.withCommands($0.cure)] }
    }
    return [
      "answers": verdict.answers, "agreement": verdict.agreement, "support": verdict.support,
      "grave": doubts(true), "doubts": doubts(false), "next": Self.withCommands(verdict.next),
      "hasGrave": !doubts(true).isEmpty, "hasDoubts": !doubts(false).isEmpty,
      "hasAgreement": !verdict.agreement.isEmpty, "hasSupport": !verdict.support.isEmpty,
    ]
  }

  /// HTML in which what stands between backquotes is code.
  private static func withCommands(_ text: String) -> String {
    text.components(separatedBy: "`").enumerated().map { place, part in
      place % 2 == 1 ? "<code>\(Markup.escaped(part))</code>" : Markup.escaped(part)
    }.joined()
  }

  private func warning(_ warning: Report.Warning) -> [String: Any] {
    let word =
      switch warning.remark.gravity {
      case .grave: "Not to be believed"
      case .warning: "Warning"
      case .note: "Note"
      }
    return [
      "kind": "is-\(warning.remark.gravity.rawValue)", "word": word, "stage": warning.stage,
      "message": warning.remark.text, "hasCure": warning.remark.cure != nil, "cure": warning.remark.cure ?? "",
    ]
  }

  private func section(_ section: Report.Section, interactive: Bool) -> [String: Any] {
    [
      "id": section.title.lowercased().replacingOccurrences(of: " ", with: "-"),
      "title": section.title,
      "text": section.text,
      "tables": section.tables.map(table),
      "hasMolecules": !section.molecules.isEmpty, "hasFigures": !section.figures.isEmpty,
      "molecules": section.molecules.map {
        ["id": $0.id, "title": $0.title, "caption": $0.caption, "svg": $0.svg]
      },
      "figures": section.figures.map { figure -> [String: Any] in
        [
          "id": figure.id, "title": figure.title, "caption": figure.caption, "wide": figure.wide,
          "drawing": interactive ? "" : SVGFigure(figure: figure).svg,
        ]
      },
    ]
  }

  private func table(_ table: TextTable) -> [String: Any] {
    func cell(_ text: String, _ column: TextTable.Column) -> [String: Any] {
      ["text": text, "right": column.alignment == .right]
    }
    return [
      "title": table.title ?? "",
      "columns": table.columns.map { cell($0.header, $0) },
      "rows": table.rows.map { row in ["cells": zip(row, table.columns).map(cell)] },
    ]
  }
}
