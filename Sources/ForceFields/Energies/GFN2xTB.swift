import Dynamics
import Molecules
import XTB

/// GFN2-xTB, which needs the elements and nothing else. It has no OpenMM System; dynamics takes its forces from libxtb.
public struct GFN2xTB: EnergyMethod, Equatable {
  public var settings: XTBEngine.Settings

  public init(_ settings: XTBEngine.Settings = .init()) { self.settings = settings }
  public var name: String { "GFN2-xTB" }

  /// Throws `XTBError`, also for an element that nobody knows.
  public func engine(for topology: Topology, threads: Int) throws -> any EnergyEngine {
    try xTBEngine(for: topology, threads: threads)
  }

  /// Every frame begins with the same first guess of its charges. Keeping those of the frame before would save a tenth of the time, since most
  /// of it goes into integrals and their derivatives, and would make a frame's forces depend on the walk that came there.
  public func externalForces(for topology: Topology) throws -> ExternalForces? {
    ExternalForces(name: try xTBEngine(for: topology, threads: 1).summary) { threads in
      try (0..<threads).map { _ in
        let engine = try xTBEngine(for: topology, threads: 1)
        return { positions in
          let found = try engine.energiesAndForces(positions)
          return (found.energies.first ?? .infinity, found.forces)
        }
      }
    }
  }

  private func xTBEngine(for topology: Topology, threads: Int) throws -> XTBEngine {
    let numbers = topology.atoms.map { Element(symbol: $0.element)?.number ?? 0 }
    return try XTBEngine(atomicNumbers: numbers, settings: settings, threads: threads)
  }
}

/// Energies by GFN2-xTB, about ten milliseconds each for 22 atoms.
///
/// A frame's energy is a function of that frame alone, to the last bit: how the work is cut, and over how many threads, does not
/// enter. One call at a time.
public final class XTBEngine: EnergyEngine {
  public struct Settings: Equatable, Sendable {
    /// One of `XTBCalculator.solvents`, around the molecule as GBSA has it; nil: no solvent.
    public var solvent: String?
    /// Elementary charges, and a number of electrons.
    public var charge, unpairedElectrons: Int

    public init(solvent: String? = "water", charge: Int = 0, unpairedElectrons: Int = 0) {
      (self.solvent, self.charge, self.unpairedElectrons) = (solvent, charge, unpairedElectrons)
    }
  }

  public let settings: Settings
  private let calculator: XTBCalculator
  private let threads: Int

  /// `atomicNumbers` [atoms]. Throws `XTBError`.
  public init(atomicNumbers: [Int], settings: Settings = Settings(), threads: Int) throws {
    self.settings = settings
    self.threads = max(1, threads)
    calculator = try XTBCalculator(
      atomicNumbers: atomicNumbers, charge: settings.charge, unpairedElectrons: settings.unpairedElectrons,
      solvent: settings.solvent, threads: threads)
  }

  public var atomCount: Int { calculator.atomCount }
  public var summary: String { "GFN2-xTB " + (settings.solvent.map { "in \($0) (GBSA)" } ?? "without solvent") }
  public var framesPerCall: Int { 20 * threads }
  public func energies(_ coordinates: [Double]) throws -> [Double] { try calculator.energies(coordinates) }
  public func energiesAndForces(_ coordinates: [Double]) throws -> (energies: [Double], forces: [Double]) {
    try calculator.energiesAndForces(coordinates)
  }
}
