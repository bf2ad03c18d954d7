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
