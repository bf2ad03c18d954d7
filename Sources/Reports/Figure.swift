/// A picture as data: what is drawn, not how. `PlotlyFigure` and `SVGFigure` draw it.
struct Figure {
  enum Series {
    /// A line through (x, y); `band` is drawn around it. Breaks where y is not finite.
    case line(name: String, x: [Double], y: [Double], band: Band? = nil, colour: String, dashed: Bool = false)
    /// Points, each with an error bar from `low` to `high` where `errors` are given.
    case points(name: String, x: [Double], y: [Double], errors: Band? = nil, colour: String, size: Double = 6)
    /// A map z[row][column] over the grid of `y` (rows) and `x` (columns); not finite: blank. Beyond `range` colours stay
    /// those of its ends. Of a difference they part at the middle of the range.
    case heatMap(
      x: [Double], y: [Double], z: [[Double]], label: String, range: ClosedRange<Double>? = nil,
      isDifference: Bool = false)
  }

  /// Lower and upper edges, one pair for each point.
  struct Band { let low, high: [Double] }

  struct Axis {
    let title: String
    var range: ClosedRange<Double>?
    var labels: [(place: Double, text: String)] = []  // Names for places on the axis, for axes of categories
    var logarithmic = false
  }

  let id: String  // The identifier of its element on the page
  let title: String
  let caption: String  // What to see in it, in a sentence or two
  let xAxis, yAxis: Axis
  let series: [Series]
  var wide = false  // Takes the page's full width, rather than half of it
}

extension Figure.Band {
  /// `values` give or take `errors`.
  init(around values: [Double], errors: [Double]) {
    self.init(low: zip(values, errors).map { $0 - $1 }, high: zip(values, errors).map { $0 + $1 })
  }
}

/// The colours of the report: dark enough for text-sized marks on white, and apart for colour-blind eyes (Okabe and Ito's order).
enum Palette {
  static let reference = "#1a1a1a"
  static let raw = "#8a8a8a"
  static let data = "#b08a4a"
  static let stages = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#a67c00"]

  static func stage(_ index: Int) -> String { stages[index % stages.count] }

  /// A sequential scale from light to dark (low to high), as stops of a gradient.
  static let scale: [(Double, (Int, Int, Int))] = [
    (0, (253, 231, 37)), (0.25, (94, 201, 98)), (0.5, (33, 145, 140)), (0.75, (59, 82, 139)), (1, (68, 1, 84)),
  ]

  /// A scale of differences: blue below, red above.
  static let differences: [(Double, (Int, Int, Int))] = [
    (0, (5, 48, 97)), (0.25, (67, 147, 195)), (0.5, (235, 235, 235)), (0.75, (214, 96, 77)), (1, (103, 0, 31)),
  ]

  static func scaleColour(_ fraction: Double, isDifference: Bool = false) -> String {
    let scale = isDifference ? differences : scale
    let place = min(max(fraction, 0), 1)
    let upper = scale.firstIndex { $0.0 >= place } ?? scale.count - 1
    let lower = max(upper - 1, 0)
    let width = scale[upper].0 - scale[lower].0
    let share = width > 0 ? (place - scale[lower].0) / width : 0
    func mixed(_ one: Int, _ other: Int) -> Int { Int((Double(one) + share * Double(other - one)).rounded()) }
    let (a, b) = (scale[lower].1, scale[upper].1)
    return "rgb(\(mixed(a.0, b.0)),\(mixed(a.1, b.1)),\(mixed(a.2, b.2)))"
  }
}
