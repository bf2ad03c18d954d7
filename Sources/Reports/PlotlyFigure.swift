import Foundation

/// Writes a figure as the JSON that `Plotly.newPlot(id, data, layout)` takes.
///
/// Numbers are written with six significant digits, which no eye can tell from more, and `null` for those not finite.
struct PlotlyFigure {
  let figure: Figure

  /// {"id": ..., "data": [...], "layout": {...}}, safe inside an HTML script element.
  var json: String {
    "{\"id\":\(Self.text(figure.id)),\"data\":[\(figure.series.flatMap(traces).joined(separator: ","))],\"layout\":\(layout)}"
  }

  private var layout: String {
    let isMap = figure.series.contains { if case .heatMap = $0 { true } else { false } }
    // colours of paper, text and grid are the page's own, light or dark: its script sets them
    let common = """
      "margin":{"l":64,"r":16,"t":36,"b":56},"hovermode":"closest","legend":{"orientation":"h","y":-0.26,"yanchor":"top","x":0},\
      "showlegend":\(figure.series.count > 1 && !isMap)
      """
    return "{\(common),\"xaxis\":\(axis(figure.xAxis)),\"yaxis\":\(axis(figure.yAxis))}"
  }

  private func axis(_ axis: Figure.Axis) -> String {
    var parts = [
      "\"title\":{\"text\":\(Self.text(axis.title))}", "\"zeroline\":false", "\"ticks\":\"outside\"",
      "\"automargin\":true",
    ]
    if axis.logarithmic { parts.append("\"type\":\"log\"") }
    if let range = axis.range {
      let ends = [range.lowerBound, range.upperBound].map { axis.logarithmic ? log10($0) : $0 }
      parts.append("\"range\":\(Self.numbers(ends))")
    }
    if !axis.labels.isEmpty {
      parts.append("\"tickvals\":\(Self.numbers(axis.labels.map(\.place)))")
      parts.append("\"ticktext\":[\(axis.labels.map { Self.text($0.text) }.joined(separator: ","))]")
    }
    return "{\(parts.joined(separator: ","))}"
  }

  private func traces(_ series: Figure.Series) -> [String] {
    switch series {
    case .line(let name, let x, let y, let band, let colour, let dashed):
      let dash = dashed ? ",\"dash\":\"dash\"" : ""
      let line = """
        {"type":"scatter","mode":"lines","name":\(Self.text(name)),"legendgroup":\(Self.text(name)),"x":\(Self.numbers(x)),\
        "y":\(Self.numbers(y)),"line":{"color":"\(colour)","width":2\(dash)}}
        """
      guard let band else { return [line] }
      return bandPieces(x, band).map { piece in
        // Each unbroken piece is one closed outline: up along the high edge, back along the low one.
        let outline = piece.x + piece.x.reversed()
        return """
          {"type":"scatter","mode":"lines","showlegend":false,"legendgroup":\(Self.text(name)),"hoverinfo":"skip",\
          "x":\(Self.numbers(outline)),"y":\(Self.numbers(piece.high + piece.low.reversed())),"fill":"toself",\
          "fillcolor":"\(colour)","opacity":0.25,"line":{"width":0,"color":"\(colour)"}}
          """
      } + [line]
    case .points(let name, let x, let y, let errors, let colour, let size):
      let bars =
        errors.map { errors in
          let up = zip(errors.high, y).map { $0 - $1 }
          let down = zip(y, errors.low).map { $0 - $1 }
          return """
            ,"error_y":{"type":"data","symmetric":false,"array":\(Self.numbers(up)),"arrayminus":\(Self.numbers(down)),\
            "thickness":2,"width":6}
            """
        } ?? ""
      // Thousands of points go to the graphics card; a few stay crisp vectors.
      return [
        """
        {"type":"\(x.count > 1000 ? "scattergl" : "scatter")","mode":"markers","name":\(Self.text(name)),\
        "x":\(Self.numbers(x)),"y":\(Self.numbers(y)),"marker":{"color":"\(colour)","size":\(Self.number(size)),\
        "opacity":\(x.count > 200 ? 0.4 : 1)}\(bars)}
        """
      ]
    case .heatMap(let x, let y, let z, let label, let range, let isDifference):
      let ends = range.map { "\"zmin\":\(Self.number($0.lowerBound)),\"zmax\":\(Self.number($0.upperBound))," } ?? ""
      let stops = Palette.scale.map {
        "[\(Self.number($0.0)),\"\(Palette.scaleColour($0.0, isDifference: isDifference))\"]"
      }
      return [
        """
        {"type":"heatmap","x":\(Self.numbers(x)),"y":\(Self.numbers(y)),"z":[\(z.map(Self.shades).joined(separator: ","))],\
        \(ends)"colorscale":[\(stops.joined(separator: ","))],"hoverongaps":false,\
        "colorbar":{"title":{"text":\(Self.text(label)),"side":"right"},"thickness":12,"outlinewidth":0}}
        """
      ]
    }
  }

  private func bandPieces(_ x: [Double], _ band: Figure.Band) -> [(x: [Double], low: [Double], high: [Double])] {
    var pieces: [(x: [Double], low: [Double], high: [Double])] = []
    var open = false
    for (position, place) in x.enumerated() {
      let (low, high) = (band.low[position], band.high[position])
      guard low.isFinite, high.isFinite else {
        open = false
        continue
      }
      if !open { pieces.append(([], [], [])) }
      open = true
      pieces[pieces.count - 1].x.append(place)
      pieces[pieces.count - 1].low.append(low)
      pieces[pieces.count - 1].high.append(high)
    }
    return pieces
  }

  static func number(_ value: Double) -> String { value.isFinite ? String(format: "%.6g", value) : "null" }
  static func numbers(_ values: [Double]) -> String { "[" + values.map(number).joined(separator: ",") + "]" }

  /// What only becomes a colour: three digits are more than an eye can tell apart.
  private static func shades(_ values: [Double]) -> String {
    "[" + values.map { $0.isFinite ? String(format: "%.3g", $0) : "null" }.joined(separator: ",") + "]"
  }

  /// A JSON string in which `<` is escaped, so that no text can close the script element it stands in.
  static func text(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "<", ">", "&", "\u{2028}", "\u{2029}", "\u{0}"..."\u{1f}": quoted += String(format: "\\u%04x", scalar.value)
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
