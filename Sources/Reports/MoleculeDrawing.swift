import Foundation

/// A molecule as a ball-and-stick drawing in SVG, seen along the axis that it is flattest in.
public struct MoleculeDrawing {
  public struct Molecule: Equatable, Sendable {
    /// Symbols of the elements, and pairs of bonded atoms.
    public let elements: [String]
    public let bonds: [[Int]]

    public init(elements: [String], bonds: [[Int]]) { (self.elements, self.bonds) = (elements, bonds) }
  }

  private let molecule: Molecule
  private let label: String
  private let points: [[Double]]  // Turned: x to the right, y down, z towards the eye; nm

  /// `coordinates` [atoms, 3], nm; nil where they are not those of the molecule. `label`: what the drawing shows, in words.
  init?(_ molecule: Molecule, coordinates: [Double], label: String) {
    let count = molecule.elements.count
    guard count > 0, coordinates.count == 3 * count, coordinates.allSatisfy(\.isFinite),
      molecule.bonds.allSatisfy({ $0.count == 2 && $0.allSatisfy((0..<count).contains) })
    else { return nil }
    (self.molecule, self.label) = (molecule, label)
    let heavy = molecule.elements.indices.filter { molecule.elements[$0].uppercased() != "H" }
    points = Self.turned((0..<count).map { Array(coordinates[3 * $0..<3 * $0 + 3]) }, by: heavy.isEmpty ? [0] : heavy)
  }

  /// Pixels of a nanometre.
  private static let scale = 420.0
  private static let margin = 0.05  // nm

  var svg: String {
    func ends(_ axis: Int) -> (low: Double, high: Double) {
      let values = points.map { $0[axis] }
      return ((values.min() ?? 0) - Self.margin, (values.max() ?? 0) + Self.margin)
    }
    let (x, y) = (ends(0), ends(1))
    let size = [(x.high - x.low) * Self.scale, (y.high - y.low) * Self.scale]
    func place(_ point: [Double]) -> (String, String) {
      (Self.text((point[0] - x.low) * Self.scale), Self.text((point[1] - y.low) * Self.scale))
    }
    // what lies behind is drawn first
    var parts: [(depth: Double, text: String)] = []
    for bond in molecule.bonds {
      let (a, b) = (points[bond[0]], points[bond[1]])
      let middle = zip(a, b).map { ($0 + $1) / 2 }
      for (atom, end) in zip(bond, [a, b]) {
        let ((x1, y1), (x2, y2)) = (place(end), place(middle))
        let width = Self.text(2 * Self.stick * Self.scale)
        let line = "x1=\"\(x1)\" y1=\"\(y1)\" x2=\"\(x2)\" y2=\"\(y2)\""
        parts.append(
          (
            (end[2] + middle[2]) / 2 - Self.stick,
            "<line \(line) stroke=\"#3a3a3a\" stroke-width=\"\(Self.text(2 * Self.stick * Self.scale + 2))\"/>"
              + "<line \(line) stroke=\"\(Self.colour(molecule.elements[atom]))\" stroke-width=\"\(width)\"/>"
          ))
      }
    }
    for (atom, point) in points.enumerated() {
      let (cx, cy) = place(point)
      let (radius, element) = (Self.radius(molecule.elements[atom]) * Self.scale, molecule.elements[atom])
      let shine =
        "<circle cx=\"\(Self.text((point[0] - x.low) * Self.scale - radius / 3))\" "
        + "cy=\"\(Self.text((point[1] - y.low) * Self.scale - radius / 3))\" r=\"\(Self.text(radius / 3.5))\" fill=\"#fff\" fill-opacity=\"0.55\"/>"
      parts.append(
        (
          point[2],
          "<circle cx=\"\(cx)\" cy=\"\(cy)\" r=\"\(Self.text(radius))\" fill=\"\(Self.colour(element))\" stroke=\"#3a3a3a\" stroke-width=\"1\"/>"
            + shine
        ))
    }
    let drawn = parts.enumerated().sorted { ($0.element.depth, $0.offset) < ($1.element.depth, $1.offset) }
    return
      "<svg viewBox=\"0 0 \(Self.text(size[0])) \(Self.text(size[1]))\" role=\"img\" aria-label=\"\(Markup.escaped(label))\">\n"
      + drawn.map(\.element.text).joined(separator: "\n") + "\n</svg>"
  }

  // MARK: looks

  private static let stick = 0.009  // Half the width of a bond, nm

  /// Of a ball, nm.
  private static func radius(_ element: String) -> Double {
    switch element.uppercased() {
    case "H": 0.019
    case "C", "N", "O", "F": 0.033
    default: 0.042
    }
  }

  /// The usual colours of the elements (Corey, Pauling, Koltun).
  private static func colour(_ element: String) -> String {
    switch element.uppercased() {
    case "H": "#f4f4f4"
    case "C": "#6b6b6b"
    case "N": "#3b5bdb"
    case "O": "#e03131"
    case "S": "#e6b800"
    case "P": "#e8730c"
    case "F", "CL": "#37b24d"
    case "BR": "#a0522d"
    case "I": "#7048a8"
    default: "#d6669a"
    }
  }

  private static func text(_ value: Double) -> String { String(format: "%.1f", value) }

  // MARK: the view

  /// Turned so that `atoms` spread most from left to right, and least towards the eye; the first of them lies left and above.
  private static func turned(_ points: [[Double]], by atoms: [Int]) -> [[Double]] {
    let centre = (0..<3).map { axis in atoms.reduce(0) { $0 + points[$1][axis] } / Double(atoms.count) }
    let shifted = points.map { zip($0, centre).map { $0 - $1 } }
    var spread = [[Double]](repeating: [0, 0, 0], count: 3)
    for atom in atoms {
      for row in 0..<3 { for column in 0..<3 { spread[row][column] += shifted[atom][row] * shifted[atom][column] } }
    }
    let axes = principalAxes(spread)
    let first = shifted[atoms[0]]
    func along(_ axis: [Double], _ point: [Double]) -> Double { zip(axis, point).reduce(0) { $0 + $1.0 * $1.1 } }
    let right = along(axes[0], first) > 0 ? axes[0].map { -$0 } : axes[0]
    let down = along(axes[1], first) > 0 ? axes[1].map { -$0 } : axes[1]
    // a right-handed view: mirrored, the molecule would have the other hand
    var eye = [0.0, 0, 0]
    for k in 0..<3 {
      let (next, last) = ((k + 1) % 3, (k + 2) % 3)
      eye[k] = down[next] * right[last] - down[last] * right[next]
    }
    return shifted.map { [along(right, $0), along(down, $0), along(eye, $0)] }
  }

  /// Axes of a symmetric 3 x 3 matrix, the largest eigenvalue's first, by Jacobi's rotations.
  private static func principalAxes(_ matrix: [[Double]]) -> [[Double]] {
    var a = matrix
    var axes: [[Double]] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    for _ in 0..<30 {
      for (p, q) in [(0, 1), (0, 2), (1, 2)] where abs(a[p][q]) > 1e-15 {
        let angle = 0.5 * atan2(2 * a[p][q], a[q][q] - a[p][p])
        let (c, s) = (cos(angle), sin(angle))
        func turn(_ one: Double, _ other: Double) -> (Double, Double) { (c * one - s * other, s * one + c * other) }
        for k in 0..<3 { (a[p][k], a[q][k]) = turn(a[p][k], a[q][k]) }
        for k in 0..<3 { (a[k][p], a[k][q]) = turn(a[k][p], a[k][q]) }
        for k in 0..<3 { (axes[p][k], axes[q][k]) = turn(axes[p][k], axes[q][k]) }
      }
    }
    return [0, 1, 2].sorted { a[$0][$0] > a[$1][$1] }.map { axes[$0] }
  }
}
