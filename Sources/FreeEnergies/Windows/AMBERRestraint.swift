import Foundation

/// A restraint of a sander or pmemd run: one `&rst` of a DISANG file that is a harmonic well on a distance or a torsion.
///
/// AMBER's energy is rk2 (R - r2)^2 below r2 and rk3 (R - r3)^2 above r3, without a half, in kcal/mol; angles are in degrees in the file
/// and in rad in the energy. Source: Amber reference manual, chapter on NMR refinement.
public struct AMBERRestraint: Sendable, Equatable {
  public let isTorsion: Bool
  /// From 1, as the file has them; negative: a group.
  public let atoms: [Int]
  /// rad or nm.
  public let center: Double
  /// k of k/2 d^2, kJ/mol/rad^2 or kJ/mol/nm^2.
  public let forceConstant: Double
  /// Between these the well is a parabola; outside it goes on as a line. As distances from the centre, rad or nm.
  public let parabola: ClosedRange<Double>

  private static let kilocalorie = 4.184
  private static let degree = Double.pi / 180
  /// Keys that make the energy another one than a harmonic well that stays.
  private static let changing = [
    "nstep1", "nstep2", "r1a", "r2a", "r3a", "r4a", "rk2a", "rk3a", "ifvari", "ialtd", "ir6",
  ]

  /// All restraints of a file. Throws `WindowFileError`, with the line of the `&rst`.
  public static func read(_ url: URL) throws -> [AMBERRestraint] {
    let text = try WindowLines(url)
    var found: [AMBERRestraint] = []
    var open: (line: Int, text: String)?
    for (index, line) in text.lines.enumerated() {
      var rest = line.prefix { $0 != "!" }
      if rest.drop(while: \.isWhitespace).hasPrefix("#") { continue }
      if open == nil, let start = rest.range(of: "&rst", options: .caseInsensitive) {
        open = (index, "")
        rest = rest[start.upperBound...]
      }
      guard open != nil else { continue }
      let end = rest.firstIndex(of: "/") ?? rest.range(of: "&end", options: .caseInsensitive)?.lowerBound
      open?.text += " " + (end.map { rest[..<$0] } ?? rest)
      if end != nil, let namelist = open {
        found.append(try AMBERRestraint(values(namelist.text, text, namelist.line), text, namelist.line))
        open = nil
      }
    }
    if let open { throw text.fail(open.line, "this &rst has no end: neither / nor &end") }
    guard !found.isEmpty else { throw text.fail("no &rst: this is no restraint file of AMBER") }
    return found
  }

  /// The values of a namelist by key; `r*c` and `key(n)=` as Fortran reads them.
  private static func values(_ namelist: String, _ text: WindowLines, _ line: Int) throws -> [String: [Double]] {
    var values: [String: [Double]] = [:]
    var key = ""
    let spaced = namelist.replacingOccurrences(of: "=", with: " = ")
    var words = WindowLines.words(spaced[...])[...]
    while let word = words.popFirst() {
      if words.first == "=" {
        words.removeFirst()
        key = word.lowercased()
        if let bracket = key.firstIndex(of: "(") { key = String(key[..<bracket]) }
        if values[key] == nil { values[key] = [] }
        continue
      }
      let parts = word.split(separator: "*")
      if let value = WindowLines.number(parts.last ?? word), let count = parts.count == 2 ? Int(parts[0]) : 1,
        (1...1000).contains(count), !key.isEmpty
      {
        values[key, default: []] += [Double](repeating: value, count: count)
      } else if !word.hasPrefix("'"), !word.hasPrefix("\""), !word.hasPrefix(".") {
        throw text.fail(line, "'\(word)' in this &rst is no number")
      }
    }
    return values
  }

  private init(_ values: [String: [Double]], _ text: WindowLines, _ line: Int) throws {
    func number(_ key: String) throws -> Double {
      guard let value = values[key]?.first
      else { throw text.fail(line, "this &rst does not give \(key); a well needs iat, r1, r2, r3, r4, rk2 and rk3") }
      return value
    }
    guard let iat = values["iat"] else { throw text.fail(line, "this &rst does not give iat, the atoms it acts on") }
    for key in Self.changing where values[key]?.contains(where: { $0 != 0 }) == true {
      throw text.fail(line, "\(key) makes this restraint change, or another one than a harmonic well")
    }
    guard values["rstwt"] == nil, values["restraint"] == nil else {
      throw text.fail(line, "this restraint is on a combination of coordinates; a distance or a torsion is needed")
    }
    atoms = iat.prefix { $0 != 0 }.map { Int($0) }
    guard atoms.count == 2 || atoms.count == 4 else {
      throw text.fail(line, "iat names \(atoms.count) atoms; a distance has two, a torsion four")
    }
    isTorsion = atoms.count == 4
    let (r1, r2, r3, r4) = (try number("r1"), try number("r2"), try number("r3"), try number("r4"))
    let (below, above) = (try number("rk2"), try number("rk3"))
    guard r2 == r3, below == above else {
      throw text.fail(
        line, "the well is not harmonic: r2 \(r2) and r3 \(r3), rk2 \(below) and rk3 \(above) must be equal")
    }
    guard below >= 0, r1 <= r2, r3 <= r4 else { throw text.fail(line, "r1 <= r2 <= r3 <= r4 and rk2 >= 0 do not hold") }
    let unit = isTorsion ? Self.degree : 0.1
    center = r2 * unit
    forceConstant = 2 * below * Self.kilocalorie / (isTorsion ? 1 : 0.01)
    parabola = (r1 - r2) * unit...(r4 - r2) * unit
  }
}
