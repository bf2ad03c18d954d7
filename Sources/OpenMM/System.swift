import COpenMM
import Foundation

/// The OpenMM library itself.
public enum OpenMMLibrary {
  public static var version: String { String(cString: bm_openmm_version()) }

  /// Platforms that can be used, by name: "Reference" always, "CPU" and others as installed.
  public static var platforms: [String] {
    String(cString: bm_openmm_platforms()).split(separator: "\n").map(String.init)
  }
}

/// A molecule's force field: OpenMM's System, read from its XML serialisation or made of terms. Immutable.
public final class System: @unchecked Sendable {
  package let handle: OpaquePointer

  /// Throws `OpenMMError.unreadable`, `.brokenXML` or `.notASystem`, with the path.
  public convenience init(contentsOf url: URL) throws {
    do {
      try self.init(xml: Data(contentsOf: url), source: url.path)
    } catch let error where !(error is OpenMMError) {
      let missing = !FileManager.default.fileExists(atPath: url.path)
      throw OpenMMError.unreadable(path: url.path, reason: missing ? "there is no such file" : "\(error)")
    }
  }

  /// `source` names the text in errors.
  public convenience init(xml: String, source: String = "System") throws {
    try self.init(xml: Data(xml.utf8), source: source)
  }

  convenience init(xml: Data, source: String) throws {
    let made = xml.withUnsafeBytes { bytes in
      bm_system_from_xml(bytes.bindMemory(to: CChar.self).baseAddress, bytes.count)
    }
    self.init(try OpenMMError.unwrap(made, source: source))
  }

  /// Takes the handle over.
  init(_ handle: OpaquePointer) { self.handle = handle }

  deinit { bm_system_free(handle) }

  public var atomCount: Int { Int(bm_system_particle_count(handle)) }
  public var constraintCount: Int { Int(bm_system_constraint_count(handle)) }

  /// dalton, [atoms].
  public var masses: [Double] {
    [Double](unsafeUninitializedCapacity: atomCount) { buffer, count in
      bm_system_masses(handle, buffer.baseAddress)
      count = atomCount
    }
  }

  /// Names of the System's forces, in its order.
  public var forceNames: [String] {
    String(cString: bm_system_force_names(handle)).split(separator: "\n").map(String.init)
  }

  /// What a force is to a molecule.
  public enum ForceKind: Sendable {
    /// Part of its energy.
    case ofTheMolecule
    /// It exerts no force on a frame: thermostats, barostats, removers of drift.
    case idle
    /// It holds the molecule to a place or a structure, or biases it.
    case restraint
    /// Its energy depends on a periodic box.
    case periodic
  }

  /// In the order of `forceNames`.
  public var forceKinds: [ForceKind] {
    forceNames.indices.map { index in
      switch bm_force_kind(UInt32(bm_system_force_kind(handle, Int32(index)))) {
      case BM_FORCE_IDLE: .idle
      case BM_FORCE_RESTRAINT: .restraint
      case BM_FORCE_PERIODIC: .periodic
      default: .ofTheMolecule
      }
    }
  }

  /// The same System without idle forces. Throws `OpenMMError`.
  public func withoutIdleForces() throws -> System {
    System(try OpenMMError.unwrap(bm_system_without_idle_forces(handle)))
  }

  /// Two particles, from 0, the smaller first.
  public struct Pair: Hashable, Sendable {
    public let first, second: Int

    public init(_ one: Int, _ other: Int) { (first, second) = (min(one, other), max(one, other)) }
  }

  /// Pairs of particles: with a bond term that is not zero, with a constraint, at the ends of an angle term that is not zero.
  public enum PairKind: Sendable {
    case bonded, constrained, ofAngles
  }

  public func pairs(_ kind: PairKind) -> [Pair] {
    let native =
      switch kind {
      case .bonded: BM_PAIRS_BONDED
      case .constrained: BM_PAIRS_CONSTRAINED
      case .ofAngles: BM_PAIRS_OF_ANGLES
      }
    let number = Int32(native.rawValue)
    var atoms = [Int32](repeating: 0, count: 2 * Int(bm_system_pairs(handle, number, nil)))
    _ = bm_system_pairs(handle, number, &atoms)
    return stride(from: 0, to: atoms.count, by: 2).map { Pair(Int(atoms[$0]), Int(atoms[$0 + 1])) }
  }

  /// Harmonic terms k/2 (x - equilibrium)^2 of bonds (two atoms; nm, kJ/mol/nm^2) and angles (three; rad, kJ/mol/rad^2), those that
  /// are not zero.
  public var harmonicTerms: [(atoms: [Int], equilibrium: Double, forceConstant: Double)] {
    let count = Int(bm_system_harmonic_terms(handle, nil, nil))
    var atoms = [Int32](repeating: 0, count: 3 * count)
    var parameters = [Double](repeating: 0, count: 2 * count)
    _ = bm_system_harmonic_terms(handle, &atoms, &parameters)
    return (0..<count).map { term in
      let members = atoms[3 * term..<3 * term + 3].filter { $0 >= 0 }.map(Int.init)
      return (members, parameters[2 * term], parameters[2 * term + 1])
    }
  }

  /// How many particles are virtual sites, and the first of them; nil without.
  public var virtualSites: (count: Int, first: Int)? {
    var first: Int32 = 0
    let count = Int(bm_system_virtual_sites(handle, &first))
    return count == 0 ? nil : (count, Int(first))
  }

  /// Some particles alone, with the terms, charges, exceptions and constraints among them. A cutoff that belongs to a periodic box is
  /// dropped; barostats, thermostats and removers of drift are left out. `particles` counts from 0, ascending.
  ///
  /// Throws `OpenMMError.invalidArgument` where a term joins what is kept with what is not, and for forces that are not known here.
  public func keeping(_ particles: [Int]) throws -> System {
    let indices = particles.map { Int32(clamping: $0) }
    return System(try OpenMMError.unwrap(bm_system_keeping(handle, Int32(clamping: indices.count), indices)))
  }

  /// Whether a force uses a periodic box.
  public var isPeriodic: Bool { bm_system_is_periodic(handle) != 0 }

  /// Pairs of particles with a harmonic bond or a constraint, and its length, nm.
  public var bondLengths: [(first: Int, second: Int, length: Double)] {
    let count = Int(bm_system_bonds(handle, nil, nil))
    var pairs = [Int32](repeating: 0, count: 2 * count)
    var lengths = [Double](repeating: 0, count: count)
    _ = bm_system_bonds(handle, &pairs, &lengths)
    return (0..<count).map { (Int(pairs[2 * $0]), Int(pairs[2 * $0 + 1]), lengths[$0]) }
  }

  /// Number of frames in `coordinates`; throws `OpenMMError.wrongShape` when they are not whole.
  package func frameCount(of coordinates: [Double]) throws -> Int {
    guard atomCount > 0, coordinates.count % (3 * atomCount) == 0
    else { throw OpenMMError.wrongShape(values: coordinates.count, atoms: atomCount) }
    return coordinates.count / (3 * atomCount)
  }

  /// kJ/mol, [frames], as a C function writes them that is handed the number of frames.
  package func energies(_ coordinates: [Double], by body: (Int64, UnsafeMutablePointer<Double>) -> Int32) throws
    -> [Double]
  {
    var energies = [Double](repeating: 0, count: try frameCount(of: coordinates))
    try OpenMMError.check(body(Int64(energies.count), &energies))
    return energies
  }
}
