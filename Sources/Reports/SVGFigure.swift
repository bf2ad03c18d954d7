import Foundation

/// Draws a figure as inline SVG: what the page shows where Plotly is not at hand. No interaction, the same data.
struct SVGFigure {
  let figure: Figure

  private let width = 640.0, height = 400.0
  private let left = 64.0, top = 34.0, bottom = 52.0
  private var right: Double { isMap ? 92 : 24 }
  private var isMap: Bool {
    figure.series.contains { if case .heatMap = $0 { true } else { false } }
  }

  var svg: String {
    guard let x = range(\.xAxis, horizontal: true), let y = range(\.yAxis, horizontal: false) else {
      return
        "<svg viewBox=\"0 0 \(Int(width)) 60\" role=\"img\" aria-label=\"\(Markup.escaped(figure.title))\"><text x=\"16\" y=\"36\""
        + " font-size=\"14\" fill=\"#1a1a1a\">Nothing to draw: no finite value.</text></svg>"
    }
    let frame = Frame(
      x: x, y: y, xLogarithmic: figure.xAxis.logarithmic, yLogarithmic: figure.yAxis.logarithmic,
      left: left, right: width - right, top: top, bottom: height - bottom)
    var parts = [
      "<svg viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=\"img\" aria-label=\"\(Markup.escaped(figure.title))\">",
      "<g font-size=\"12\" fill=\"#1a1a1a\" font-family=\"inherit\">", axes(frame),
      "<clipPath id=\"clip-\(figure.id)\"><rect x=\"\(text(frame.left))\" y=\"\(text(frame.top))\""
        + " width=\"\(text(frame.right - frame.left))\" height=\"\(text(frame.bottom - frame.top))\"/></clipPath>",
      "<g clip-path=\"url(#clip-\(figure.id))\">",
    ]
    parts += figure.series.map { drawn($0, frame) }
    parts += ["</g>", legend(), colourBar(frame), "</g>", "</svg>"]
    return parts.joined(separator: "\n")
  }

  private struct Frame {
    let x, y: ClosedRange<Double>
    let xLogarithmic, yLogarithmic: Bool
    let left, right, top, bottom: Double

    func horizontal(_ value: Double) -> Double { left + (right - left) * Self.share(value, x, xLogarithmic) }
    func vertical(_ value: Double) -> Double { bottom - (bottom - top) * Self.share(value, y, yLogarithmic) }

    private static func share(_ value: Double, _ range: ClosedRange<Double>, _ logarithmic: Bool) -> Double {
      if logarithmic {
        guard value > 0 else { return 0 }
        return log(value / range.lowerBound) / log(range.upperBound / range.lowerBound)
      }
      return (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    }
  }

  private func range(_ axis: KeyPath<Figure, Figure.Axis>, horizontal: Bool) -> ClosedRange<Double>? {
    let axis = figure[keyPath: axis]
    if let range = axis.range { return range }
    var values = axis.labels.map(\.place)
    var isMap = false
    for series in figure.series {
      switch series {
      case .line(_, let x, let y, let band, _, _): values += horizontal ? x : y + (band.map { $0.low + $0.high } ?? [])
      case .points(_, let x, let y, let errors, _, _):
        values += horizontal ? x : y + (errors.map { $0.low + $0.high } ?? [])
      case .heatMap(let x, let y, _, _, _, _):
        isMap = true
        values += horizontal ? x : y
      }
    }
    values = values.filter { $0.isFinite && (!axis.logarithmic || $0 > 0) }
    guard let low = values.min(), let high = values.max() else { return nil }
    if axis.logarithmic { return low / 1.1...high * 1.1 }
    let margin = high > low ? (high - low) * (isMap ? 0 : axis.labels.isEmpty ? 0.04 : 0.25) : max(abs(low) * 0.1, 1)
    return low - margin...high + margin
  }

  private func axes(_ frame: Frame) -> String {
    var parts: [String] = []
    for (place, label) in ticks(figure.xAxis, frame.x) {
      let x = text(frame.horizontal(place))
      parts.append(
        "<line x1=\"\(x)\" x2=\"\(x)\" y1=\"\(text(frame.top))\" y2=\"\(text(frame.bottom + 4))\" stroke=\"#e0e0e0\"/>")
      parts.append(
        "<text x=\"\(x)\" y=\"\(text(frame.bottom + 18))\" text-anchor=\"middle\">\(Markup.escaped(label))</text>")
    }
    for (place, label) in ticks(figure.yAxis, frame.y) {
      let y = text(frame.vertical(place))
      parts.append(
        "<line x1=\"\(text(frame.left - 4))\" x2=\"\(text(frame.right))\" y1=\"\(y)\" y2=\"\(y)\" stroke=\"#e0e0e0\"/>")
      parts.append(
        "<text x=\"\(text(frame.left - 8))\" y=\"\(y)\" dy=\"4\" text-anchor=\"end\">\(Markup.escaped(label))</text>")
    }
    let corner = "M\(text(frame.left)) \(text(frame.top))V\(text(frame.bottom))H\(text(frame.right))"
    parts.append("<path d=\"\(corner)\" fill=\"none\" stroke=\"#444\"/>")
    parts.append(
      "<text x=\"\(text((frame.left + frame.right) / 2))\" y=\"\(text(height - 12))\" text-anchor=\"middle\">"
        + "\(Markup.escaped(figure.xAxis.title))</text>")
    let middle = text((frame.top + frame.bottom) / 2)
    parts.append(
      "<text transform=\"translate(16 \(middle)) rotate(-90)\" text-anchor=\"middle\">\(Markup.escaped(figure.yAxis.title))</text>"
    )
    return parts.joined(separator: "\n")
  }

  /// Round places on the axis: 1, 2 or 5 times a power of ten apart, or the powers of ten themselves.
  private func ticks(_ axis: Figure.Axis, _ range: ClosedRange<Double>) -> [(Double, String)] {
    if !axis.labels.isEmpty { return axis.labels.map { ($0.place, $0.text) } }
    if axis.logarithmic {
      let (low, high) = (Int(log10(range.lowerBound).rounded(.up)), Int(log10(range.upperBound).rounded(.down)))
      guard low <= high else { return [] }
      return (low...high).map { (pow(10, Double($0)), short(pow(10, Double($0)))) }
    }
    let rough = (range.upperBound - range.lowerBound) / 6
    let power = pow(10, log10(rough).rounded(.down))
    let step = power * ([1.0, 2, 5, 10].first { $0 * power >= rough } ?? 10)
    let first = Int((range.lowerBound / step).rounded(.up))
    let last = Int((range.upperBound / step).rounded(.down))
    guard first <= last, last - first < 50 else { return [] }
    return (first...last).map { (Double($0) * step, short(Double($0) * step)) }
  }

  private func drawn(_ series: Figure.Series, _ frame: Frame) -> String {
    switch series {
    case .line(_, let x, let y, let band, let colour, let dashed):
      let dash = dashed ? " stroke-dasharray=\"6 4\"" : ""
      let line = "<path d=\"\(path(x, y, frame))\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"\(dash)/>"
      guard let band else { return line }
      return bandShape(x, band, colour, frame) + line
    case .points(_, let x, let y, let errors, let colour, let size):
      var marks: [String] = []
      let opacity = x.count > 200 ? 0.4 : 1
      for position in x.indices where x[position].isFinite && y[position].isFinite {
        let (h, v) = (text(frame.horizontal(x[position])), text(frame.vertical(y[position])))
        if let errors, errors.low[position].isFinite, errors.high[position].isFinite {
          let (low, high) = (frame.vertical(errors.low[position]), frame.vertical(errors.high[position]))
          marks.append("<path d=\"M\(h) \(text(low))V\(text(high))\" stroke=\"\(colour)\" stroke-width=\"2\"/>")
        }
        marks.append(
          "<circle cx=\"\(h)\" cy=\"\(v)\" r=\"\(text(size / 2))\" fill=\"\(colour)\" fill-opacity=\"\(opacity)\"/>")
      }
      return marks.joined(separator: "\n")
    case .heatMap(let x, let y, let z, let label, let range, let isDifference):
      return map(x, y, z, label, range, isDifference, frame)
    }
  }

  private func path(_ x: [Double], _ y: [Double], _ frame: Frame) -> String {
    var path = ""
    var pen = false
    for (a, b) in zip(x, y) {
      guard a.isFinite, b.isFinite else {
        pen = false
        continue
      }
      path += "\(pen ? "L" : "M")\(text(frame.horizontal(a))) \(text(frame.vertical(b)))"
      pen = true
    }
    return path
  }

  private func bandShape(_ x: [Double], _ band: Figure.Band, _ colour: String, _ frame: Frame) -> String {
    var shapes = ""
    for position in x.indices.dropFirst() {
      let corners = [
        (position - 1, band.low), (position - 1, band.high), (position, band.high), (position, band.low),
      ].map { (x[$0.0], $0.1[$0.0]) }
      guard corners.allSatisfy({ $0.0.isFinite && $0.1.isFinite }) else { continue }
      let outline = corners.map { "\(text(frame.horizontal($0.0))) \(text(frame.vertical($0.1)))" }
      shapes += "M\(outline.joined(separator: "L"))Z"
    }
    return "<path d=\"\(shapes)\" fill=\"\(colour)\" fill-opacity=\"0.25\"/>"
  }

  private func map(
    _ x: [Double], _ y: [Double], _ z: [[Double]], _ label: String, _ range: ClosedRange<Double>?, _ isDifference: Bool,
    _ frame: Frame
  ) -> String {
    let finite = z.lazy.flatMap { $0 }.filter(\.isFinite)
    guard let low = range?.lowerBound ?? finite.min(), let high = range?.upperBound ?? finite.max(), x.count > 1,
      y.count > 1
    else { return "" }
    let w = abs(frame.horizontal(x[1]) - frame.horizontal(x[0]))
    let h = abs(frame.vertical(y[1]) - frame.vertical(y[0]))
    var cells: [String] = []
    for (row, values) in z.enumerated() {
      for (column, value) in values.enumerated() where value.isFinite {
        let colour = Palette.scaleColour(high > low ? (value - low) / (high - low) : 0, isDifference: isDifference)
        let (cx, cy) = (text(frame.horizontal(x[column]) - w / 2), text(frame.vertical(y[row]) - h / 2))
        let size = "width=\"\(text(w + 0.3))\" height=\"\(text(h + 0.3))\""
        cells.append("<rect x=\"\(cx)\" y=\"\(cy)\" \(size) fill=\"\(colour)\"/>")
      }
    }
    return cells.joined(separator: "\n")
  }

  private func legend() -> String {
    var parts: [String] = []
    var x = left
    for series in figure.series {
      let (name, colour): (String, String)
      switch series {
      case .line(let n, _, _, _, let c, _): (name, colour) = (n, c)
      case .points(let n, _, _, _, let c, _): (name, colour) = (n, c)
      case .heatMap: continue
      }
      guard figure.series.count > 1 else { continue }
      parts.append("<rect x=\"\(text(x))\" y=\"12\" width=\"14\" height=\"4\" fill=\"\(colour)\"/>")
      parts.append("<text x=\"\(text(x + 18))\" y=\"18\">\(Markup.escaped(name))</text>")
      x += 34 + 7 * Double(name.count)
    }
    return parts.joined(separator: "\n")
  }

  /// What the colours of a map mean.
  private func colourBar(_ frame: Frame) -> String {
    guard case .heatMap(_, _, let z, let label, let range, let isDifference)? = figure.series.first else { return "" }
    let finite = z.lazy.flatMap { $0 }.filter(\.isFinite)
    guard let low = range?.lowerBound ?? finite.min(), let high = range?.upperBound ?? finite.max(), high > low else {
      return ""
    }
    let (x, count) = (frame.right + 16, 48)
    let height = (frame.bottom - frame.top) / Double(count)
    var parts = (0..<count).map { step in
      let colour = Palette.scaleColour((Double(step) + 0.5) / Double(count), isDifference: isDifference)
      return "<rect x=\"\(text(x))\" y=\"\(text(frame.bottom - Double(step + 1) * height))\" width=\"14\" "
        + "height=\"\(text(height + 0.3))\" fill=\"\(colour)\"/>"
    }
    for share in [0, 0.5, 1] {
      parts.append(
        "<text x=\"\(text(x + 18))\" y=\"\(text(frame.bottom - share * (frame.bottom - frame.top)))\" dy=\"4\">"
          + "\(short(low + share * (high - low)))</text>")
    }
    parts.append("<text x=\"\(text(x))\" y=\"\(text(frame.top - 8))\">\(Markup.escaped(label))</text>")
    return parts.joined(separator: "\n")
  }

  private func text(_ value: Double) -> String { String(format: "%.1f", value) }
  private func short(_ value: Double) -> String { String(format: "%.4g", value) }
}

enum Markup {
  static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
  }
}
