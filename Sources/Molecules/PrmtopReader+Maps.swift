/// Energies over two torsions (CMAP), as ff19SB has them.
extension PrmtopReader {
  /// The maps and the terms that use them. Sections after ParmEd's account of them: CMAP_COUNT (terms, maps), CMAP_RESOLUTION,
  /// CMAP_PARAMETER_nn (kcal/mol, the first torsion slowest, from -180 degrees), CMAP_INDEX (five atoms from 1, and the map).
  func maps() throws -> (maps: [AMBERTopology.Map], terms: [AMBERTopology.MappedTorsions]) {
    guard let section = sections["CMAP_COUNT"] else { return ([], []) }
    let counts = try sections.integers("CMAP_COUNT", count: 2).map(\.value)
    guard counts.allSatisfy({ (0...1_000_000).contains($0) })
    else { throw sections.fail(section.line, "CMAP_COUNT: \(counts[0]) terms and \(counts[1]) maps") }
    let sizes = try sections.integers("CMAP_RESOLUTION", count: counts[1])
    let maps = try sizes.enumerated().map { index, size in
      guard (4...360).contains(size.value), size.value % 2 == 0
      else { throw sections.fail(size.line, "CMAP_RESOLUTION: a grid of \(size.value) points") }
      let name = "CMAP_PARAMETER_" + (index < 9 ? "0" : "") + "\(index + 1)"
      return try map(sections.numbers(name, count: size.value * size.value), size: size.value)
    }
    let rows = try sections.integers("CMAP_INDEX", count: 6 * counts[0])
    let terms = try stride(from: 0, to: rows.count, by: 6).map { start in
      let row = rows[start..<start + 6].map(\.value)
      let five = row[..<5].map { $0 - 1 }
      guard five.allSatisfy({ (0..<atoms).contains($0) }), Set(five).count == 5, row[5] >= 1,
        row[5] <= maps.count
      else {
        throw sections.fail(rows[start].line, "CMAP_INDEX: atoms \(row[..<5]) and map \(row[5]) of \(maps.count)")
      }
      return AMBERTopology.MappedTorsions(first: Array(five[..<4]), second: Array(five[1...]), map: row[5] - 1)
    }
    return (maps, terms)
  }

  /// From rows of the first torsion, which begin at -180 degrees, to rows of the second, which begin at 0.
  private func map(_ values: [Double], size: Int) -> AMBERTopology.Map {
    var energies: [Double] = []
    energies.reserveCapacity(size * size)
    for second in 0..<size {
      for first in 0..<size {
        let row = (first + size / 2) % size
        let column = (second + size / 2) % size
        energies.append(values[size * row + column] * Self.kilocalorie)
      }
    }
    return AMBERTopology.Map(size: size, energies: energies)
  }
}
