import Foundation
import Molecules
import OpenMM

/// From a sequence to a topology and a force field, by OpenMM's application layer in a Python of its own.
public struct PeptidePreparation {
  public let python, script: URL

  public static let forceFields = ["amber14+obc1", "amber14+obc2", "amber14", "amber99sbildn+obc"]

  /// The parts that `./bootstrap --prepare` puts beside the program. Throws `PreparationError.notInstalled`.
  ///
  /// Looked for above the program, then above the working folder.
  public init() throws {
    let manager = FileManager.default
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    for start in [program, URL(fileURLWithPath: manager.currentDirectoryPath)] {
      var folder = start
      while folder.path != "/" {
        let python = folder.appendingPathComponent(".deps/prepare/bin/python")
        let script = folder.appendingPathComponent("Tools/prepare.py")
        if manager.isExecutableFile(atPath: python.path), manager.fileExists(atPath: script.path) {
          (self.python, self.script) = (python, script)
          return
        }
        folder = folder.deletingLastPathComponent()
      }
    }
    throw PreparationError.notInstalled
  }

  /// Writes topology.pdb and system.xml to a folder, which is made if it is not there, and reads both back. `cutoff` in nm, 0 for none.
  /// Throws `PreparationError`, `MoleculesError`, `OpenMMError`.
  public func run(_ sequence: PeptideSequence, forceField: String, cutoff: Double, output: URL) throws -> Topology {
    for name in ["topology.pdb", "system.xml"] {
      let place = output.appendingPathComponent(name)
      var status = stat()
      guard lstat(place.path, &status) != 0 else { throw PreparationError.exists(file: place.path) }
    }
    let process = Process()
    process.executableURL = python
    process.arguments = [
      "-I", script.path, "--residues", sequence.residues.joined(separator: ","), "--output", output.path,
      "--force-field", forceField, "--cutoff", "\(cutoff)",
    ]
    let said = Pipe()
    (process.standardError, process.standardOutput, process.standardInput) = (said, said, FileHandle.nullDevice)
    do {
      try process.run()
    } catch {
      throw PreparationError.failed(sequence: sequence.text, reason: "\(python.path) does not start: \(error)")
    }
    let text = String(decoding: said.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      let last = text.split(separator: "\n").suffix(3).joined(separator: "\n")
      throw PreparationError.failed(sequence: sequence.text, reason: last.isEmpty ? "no reason was given" : last)
    }
    let topology = try Topology.read(pdb: output.appendingPathComponent("topology.pdb"))
    let system = try System(contentsOf: output.appendingPathComponent("system.xml"))
    guard system.atomCount == topology.atoms.count else {
      throw PreparationError.failed(
        sequence: sequence.text,
        reason: "the structure has \(topology.atoms.count) atoms and the force field \(system.atomCount)")
    }
    return topology
  }
}

/// Why a peptide could not be prepared.
public enum PreparationError: Error, Equatable, CustomStringConvertible {
  case notInstalled
  case exists(file: String)
  case failed(sequence: String, reason: String)

  public var description: String {
    switch self {
    case .notInstalled:
      "there is no .deps/prepare: ./bootstrap --prepare makes it (a Python with OpenMM's application layer)"
    case .exists(let file): "\(file) is there already and is not replaced; name another folder"
    case .failed(let sequence, let reason): "\(sequence) could not be prepared: \(reason)"
    }
  }
}
