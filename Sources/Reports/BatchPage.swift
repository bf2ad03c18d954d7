import Artifacts
import Basics
import Foundation
import Mustache
import Records

/// A batch as one HTML page that needs nothing else: a row for each combination of a matrix, which can be sorted, with its profiles drawn small and
/// a link to its own page; and for those that are not finished how far they are, and why.
public struct BatchPage {
  public struct Row {
    public let cell: [String]  // Its entry on each axis
    public let state: String  // "done", "3 of 8"
    public let isDone: Bool
    public let why: String?  // What the rest waits for
    public let verdict: Verdict.Standing?  // Of its report; nil where it has none that is finished
    public let values: [Double?]  // By column
    public let errors: [Double?]  // One standard error of each; nil where none is known
    public let seconds: Double?
    public let profiles: [Profile]
    public let page: String?  // Of its own report, as seen from this page

    public init(
      cell: [String], state: String, isDone: Bool, why: String?, verdict: Verdict.Standing? = nil, values: [Double?],
      errors: [Double?],
      seconds: Double?, profiles: [Profile], page: String?
    ) {
      (self.cell, self.state, self.isDone, self.why, self.values) = (cell, state, isDone, why, values)
      (self.verdict, self.errors) = (verdict, errors)
      (self.seconds, self.profiles, self.page) = (seconds, profiles, page)
    }
  }

  /// Free energy along the state's torsion, kT.
  public struct Profile: Equatable, Sendable {
    let stage: String
    let x, y: [Double]

    /// Of a stage's artifact; nil where it has none. Throws what reading a damaged artifact throws.
    public init?(of artifact: Artifact, stage: String) throws {
      let record = Recorded.reweight.profile
      guard artifact.has(record.freeEnergy) else { return nil }
      let y = try artifact.read(record.freeEnergy).values
      // beside the profile and its error stand the middles of its bins, by the torsion's name
      let known = [record.freeEnergy.path, record.standardError.path]
      let names = try artifact.names(record.angles).filter { !known.contains(record.angles[$0].path) }
      guard let name = names.first else { return nil }
      let x = try artifact.read(record.angles[name]).values
      guard x.count == y.count else { return nil }
      (self.stage, self.x, self.y) = (stage, x, y)
    }
  }

  public struct Column {
    public let title: String
    public let decimals: Int

    public init(title: String, decimals: Int) { (self.title, self.decimals) = (title, decimals) }
  }

  private let title: String
  private let axes: [String]
  private let columns: [Column]
  private let rows: [Row]

  public init(title: String, axes: [String], columns: [Column], rows: [Row]) {
    (self.title, self.axes, self.columns, self.rows) = (title, axes, columns, rows)
  }

  /// Throws only if the page's own template were malformed.
  public func html() throws -> String {
    let done = rows.filter(\.isDone).count
    let hasProfiles = rows.contains { !$0.profiles.isEmpty }
    let hasVerdicts = rows.contains { $0.verdict != nil }
    let leading = axes + ["finished"] + (hasVerdicts ? ["verdict"] : [])
    // profiles stand between what a row is and its numbers
    let first = leading.count + (hasProfiles ? 1 : 0)
    func headers(_ titles: [String], from place: Int, right: Bool) -> [[String: Any]] {
      titles.enumerated().map { ["place": "\(place + $0.offset)", "text": $0.element, "right": right] }
    }
    return try MustacheTemplate(string: Self.page).render(
      [
        "title": title,
        "subtitle":
          "\(NumberText.count(rows.count)) combinations, \(NumberText.count(done)) of them finished"
          + (done < rows.count ? ". The others show what there is of them, and what they wait for." : "."),
        "leading": headers(leading, from: 0, right: false),
        "numbers": headers(columns.map(\.title) + ["time"], from: first, right: true),
        "hasProfiles": hasProfiles, "hasVerdicts": hasVerdicts,
        "hasErrors": rows.contains { $0.errors.contains { $0 != nil } },
        "rows": rows.map { row($0, hasVerdicts: hasVerdicts) },
      ] as [String: Any])
  }

  private func row(_ row: Row, hasVerdicts: Bool) -> [String: Any] {
    func cell(_ text: String, _ value: Double?, right: Bool = true) -> [String: Any] {
      ["text": text, "value": value.flatMap { $0.isFinite ? "\($0)" : nil } ?? "", "right": right]
    }
    let numbers = columns.indices.map { place in
      let (value, decimals) = (row.values[place], columns[place].decimals)
      let error = (value?.isFinite == true ? row.errors[place] : nil).flatMap { $0.isFinite ? $0 : nil }
      return cell(
        NumberText.fixed(value, decimals) + (error.map { " ± " + NumberText.fixed($0, decimals) } ?? ""), value)
    }
    return [
      "name": row.cell.first ?? "", "further": Array(row.cell.dropFirst()), "hasPage": row.page != nil,
      "page": row.page ?? "", "state": row.state, "isDone": row.isDone, "hasWhy": row.why != nil, "why": row.why ?? "",
      "hasVerdict": hasVerdicts, "verdict": row.verdict?.rawValue ?? NumberText.absent,
      "rank": row.verdict.map { "\($0.rank)" } ?? "", "isSound": row.verdict == .sound || row.verdict == nil,
      "numbers": numbers + [cell(NumberText.duration(seconds: row.seconds), row.seconds)],
      "profile": Self.drawing(row.profiles, label: "profile of \(row.cell.joined(separator: ", "))"),
    ]
  }

  /// Free energies drawn small, each in its colour, up to this many kT.
  private static let highest = 12.0

  private static func drawing(_ profiles: [Profile], label: String) -> String {
    guard !profiles.isEmpty else { return "" }
    let (width, height) = (150.0, 40.0)
    let lines = profiles.enumerated().map { place, profile -> String in
      var path = ""
      var isDown = false
      for (x, y) in zip(profile.x, profile.y) {
        guard y.isFinite, y <= highest else {
          isDown = false
          continue
        }
        let across = (x + Double.pi) / (2 * Double.pi) * width
        path += "\(isDown ? "L" : "M")\(text(across)) \(text(height - 2 - y / highest * (height - 4)))"
        isDown = true
      }
      return "<path d=\"\(path)\" fill=\"none\" stroke=\"\(Palette.stage(place))\" stroke-width=\"1.5\"/>"
    }
    let names = profiles.map(\.stage).joined(separator: ", ")
    return
      "<svg class=\"small\" viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=\"img\" aria-label=\"\(Markup.escaped(label)): \(Markup.escaped(names))\">"
      + "\(lines.joined())</svg>"
  }

  private static func text(_ value: Double) -> String { String(format: "%.1f", value) }

  private static let style = """
    th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-align: inherit; }
    th[aria-sort=ascending] button::after { content: " \\25B2"; }
    th[aria-sort=descending] button::after { content: " \\25BC"; }
    .small { width: 9.4rem; height: 2.5rem; background: #fff; border: 1px solid var(--line); display: block; }
    tr.open td, td.doubt { background: var(--warn-panel); }
    .why { display: block; color: var(--soft); font-size: .9em; white-space: normal; min-width: 16rem; }
    @media print { .why { min-width: 0; } .small { width: 3.6rem; height: 1rem; } }
    tbody th { font-weight: 600; border-bottom: 1px solid var(--line); }
    """

  private static let page = """
    \(ReportTemplate.head(style))
    </head>
    <body class="still">
    <a class="skip" href="#main">Skip to the content</a>
    <header>
    <h1>{{title}}</h1>
    <p>{{subtitle}}</p>
    </header>
    <main id="main" tabindex="-1">
    <h2>Batch</h2>
    <p>A heading sorts by its column, once more the other way.{{#hasErrors}} Behind ± stands one standard error; intervals, doubts and what a state is stand on the page that a row links to.{{/hasErrors}}{{#hasVerdicts}} The verdict is that of the row's own page: sound; doubts, something to look at; not believed, numbers that something grave speaks against; no number, too few samples.{{/hasVerdicts}}{{#hasProfiles}} Profiles are free energies along the state's torsion, up to 12 kT.{{/hasProfiles}}</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Combinations">
    <table>
    <caption>Combinations</caption>
    <thead><tr>{{#leading}}<th scope="col" data-place="{{place}}"><button type="button">{{text}}</button></th>{{/leading}}{{#hasProfiles}}<th scope="col">profiles</th>{{/hasProfiles}}{{#numbers}}<th scope="col" data-place="{{place}}" class="right"><button type="button">{{text}}</button></th>{{/numbers}}</tr></thead>
    <tbody>
    {{#rows}}
    <tr{{^isDone}} class="open"{{/isDone}}><th scope="row">{{#hasPage}}<a href="{{page}}">{{name}}</a>{{/hasPage}}{{^hasPage}}{{name}}{{/hasPage}}</th>{{#further}}<td>{{.}}</td>{{/further}}<td>{{state}}{{#hasWhy}}<span class="why">{{why}}</span>{{/hasWhy}}</td>{{#hasVerdict}}<td data-value="{{rank}}"{{^isSound}} class="doubt"{{/isSound}}>{{verdict}}</td>{{/hasVerdict}}{{#hasProfiles}}<td>{{{profile}}}</td>{{/hasProfiles}}{{#numbers}}<td data-value="{{value}}"{{#right}} class="right"{{/right}}>{{text}}</td>{{/numbers}}</tr>
    {{/rows}}
    </tbody>
    </table>
    </div>
    </main>
    <script>
    const body = document.querySelector("tbody"), heads = [...document.querySelectorAll("th[data-place]")];
    // numbers by their value, those without one last; words by their order
    function key(row, place) {
      const cell = row.cells[place];
      return cell.dataset.value === undefined ? cell.textContent : cell.dataset.value === "" ? null : Number(cell.dataset.value);
    }
    for (const head of heads) head.querySelector("button").addEventListener("click", () => {
      const place = Number(head.dataset.place), up = head.getAttribute("aria-sort") !== "ascending";
      const order = (a, b) => typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
      const rows = [...body.rows].map(row => [key(row, place), row]).sort(([a], [b]) =>
        a === null || b === null ? (a === null) - (b === null) : up ? order(a, b) : order(b, a));
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      body.append(...rows.map(([, row]) => row));
    });
    </script>
    </body>
    </html>

    """
}
