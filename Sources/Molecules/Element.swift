/// A chemical element as far as molecules here need it: symbol, number, mass (u) and covalent radius (nm).
///
/// Radii: Cordero et al., Dalton Trans. 2008, 2832 (single bonds). Masses: IUPAC 2021, abridged.
public struct Element: Equatable, Sendable {
  public let symbol: String
  public let number: Int
  /// Atomic mass, u, and covalent radius, nm.
  public let mass, covalentRadius: Double

  /// The element with this symbol in any case ("C", "CL", "cl"); nil when it is not in the table.
  public init?(symbol: String) {
    let normal = symbol.prefix(1).uppercased() + symbol.dropFirst().lowercased()
    guard let row = Self.table.first(where: { $0.symbol == normal }) else { return nil }
    self = row
  }

  /// The element of this atomic number; nil when it is not in the table.
  public init?(number: Int) {
    guard let row = Self.table.first(where: { $0.number == number }) else { return nil }
    self = row
  }

  private init(_ symbol: String, _ number: Int, _ mass: Double, _ radius: Double) {
    (self.symbol, self.number, self.mass, covalentRadius) = (symbol, number, mass, radius)
  }

  private static let table: [Element] = [
    Element("H", 1, 1.008, 0.031), Element("He", 2, 4.0026, 0.028), Element("Li", 3, 6.94, 0.128),
    Element("Be", 4, 9.0122, 0.096), Element("B", 5, 10.81, 0.084), Element("C", 6, 12.011, 0.076),
    Element("N", 7, 14.007, 0.071), Element("O", 8, 15.999, 0.066), Element("F", 9, 18.998, 0.057),
    Element("Ne", 10, 20.180, 0.058), Element("Na", 11, 22.990, 0.166), Element("Mg", 12, 24.305, 0.141),
    Element("Al", 13, 26.982, 0.121), Element("Si", 14, 28.085, 0.111), Element("P", 15, 30.974, 0.107),
    Element("S", 16, 32.06, 0.105), Element("Cl", 17, 35.45, 0.102), Element("Ar", 18, 39.95, 0.106),
    Element("K", 19, 39.098, 0.203), Element("Ca", 20, 40.078, 0.176), Element("Mn", 25, 54.938, 0.139),
    Element("Fe", 26, 55.845, 0.132), Element("Co", 27, 58.933, 0.126), Element("Ni", 28, 58.693, 0.124),
    Element("Cu", 29, 63.546, 0.132), Element("Zn", 30, 65.38, 0.122), Element("As", 33, 74.922, 0.119),
    Element("Se", 34, 78.971, 0.120), Element("Br", 35, 79.904, 0.120), Element("I", 53, 126.90, 0.139),
  ]
}
