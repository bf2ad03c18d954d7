import Basics
import ForceFields
import Foundation
import Molecules
import OpenMM

/// From a sequence to a topology and a force field, by PeptideBuilder and OpenMM's application layer in a Python of their own.
public struct PeptidePreparation {
  private let program: PreparationProgram

  public static let forceFields = ["amber14+obc1", "amber14+obc2", "amber14", "amber99sbildn+obc"]

  /// The parts that `./bootstrap` puts beside the program. Throws `PreparationError.notInstalled`.
  public init() throws { program = try PreparationProgram(environment: "prepare", script: "prepare.py") }

  /// Eight digits that tell the program that makes the files, and the list of its libraries, from others.
  public var identity: String { program.identity }

  /// Writes topology.pdb and system.xml to a folder, which is made if it is not there, and reads both back. `cutoff` in nm, 0 for none.
  /// Throws `PreparationError`, `MoleculesError`, `OpenMMError`.
  public func run(_ sequence: PeptideSequence, forceField: String, cutoff: Double, output: URL) throws -> Topology {
    try program.run(
      sequence.text, writing: ["topology.pdb", "system.xml"], to: output,
      ["--residues", sequence.residues.joined(separator: ","), "--force-field", forceField, "--cutoff", "\(cutoff)"])
    let topology = try Topology.read(pdb: output.appendingPathComponent("topology.pdb"))
    let system = try System(contentsOf: output.appendingPathComponent("system.xml"))
    try PreparationProgram.check(sequence.text, topology, particles: system.atomCount)
    return topology
  }
}

/// From SMILES to a topology and a force field (GAFF2, AM1-BCC charges), by RDKit and AmberTools in a Python of their own.
public struct LigandPreparation {
  private let program: PreparationProgram

  /// The parts that `./bootstrap --amber` puts beside the program. Throws `PreparationError.notInstalled`.
  public init() throws { program = try PreparationProgram(environment: "amber", script: "prepare_ligand.py") }

  /// Writes topology.pdb and forcefield.prmtop to a folder, which is made if it is not there, and reads both back. Throws
  /// `PreparationError`, `MoleculesError`.
  public func run(smiles: String, output: URL) throws -> Topology {
    try program.run(smiles, writing: ["topology.pdb", "forcefield.prmtop"], to: output, ["--smiles", smiles])
    let topology = try Topology.read(pdb: output.appendingPathComponent("topology.pdb"))
    let field = try AMBERTopology.read(output.appendingPathComponent("forcefield.prmtop"))
    try PreparationProgram.check(smiles, topology, particles: field.structure().atoms.count)
    return topology
  }
}

/// A script of Tools/ and the Python it runs in.
struct PreparationProgram {
  let python, script: URL
  private let list: URL  // The libraries of that Python

  /// An installed wheel has its own Python. Otherwise both are looked for above the program, then above the working folder. Throws
  /// `PreparationError.notInstalled`.
  init(environment: String, script name: String) throws {
    let manager = FileManager.default
    if let wheel = Installation.current, wheel.isWheel {
      script = wheel.root.appendingPathComponent("Tools/\(name)")
      list = wheel.root.appendingPathComponent("Tools/requirements.txt")
      guard let python = wheel.python, manager.fileExists(atPath: script.path) else {
        throw PreparationError.notInWheel(environment: environment)
      }
      self.python = python
      return
    }
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    for start in [program, URL(fileURLWithPath: manager.currentDirectoryPath)] {
      var folder = start
      while folder.path != "/" {
        let python = folder.appendingPathComponent(".deps/\(environment)/bin/python")
        let script = folder.appendingPathComponent("Tools/\(name)")
        if manager.isExecutableFile(atPath: python.path), manager.fileExists(atPath: script.path) {
          (self.python, self.script) = (python, script)
          list = folder.appendingPathComponent(".deps/\(environment)/installed.txt")
          return
        }
        folder = folder.deletingLastPathComponent()
      }
    }
    throw PreparationError.notInstalled(environment: environment)
  }

  var identity: String {
    let texts = [script, list].map { (try? String(contentsOf: $0, encoding: .utf8)) ?? "" }
    return String(format: "%08x", UInt32(truncatingIfNeeded: RandomStream.derivedSeed(0, texts)))
  }

  /// Runs the script, which writes `files` to a folder. `molecule` is what messages call it. Throws `PreparationError`.
  func run(_ molecule: String, writing files: [String], to output: URL, _ words: [String]) throws {
    for name in files {
      let place = output.appendingPathComponent(name)
      var status = stat()
      guard lstat(place.path, &status) != 0 else { throw PreparationError.exists(file: place.path) }
    }
    let process = Process()
    process.executableURL = python
    // a wheel's libraries may lie where its user's Python finds them, in PYTHONPATH or at home
    let isolation = Installation.current?.isWheel == true ? [] : ["-I"]
    process.arguments = isolation + [script.path, "--output", output.path] + words
    let said = Pipe()
    (process.standardError, process.standardOutput, process.standardInput) = (said, said, FileHandle.nullDevice)
    do {
      try process.run()
    } catch {
      throw PreparationError.failed(molecule: molecule, reason: "\(python.path) does not start: \(error)")
    }
    let text = String(decoding: said.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      let last = text.split(separator: "\n").suffix(3).joined(separator: "\n")
      throw PreparationError.failed(molecule: molecule, reason: last.isEmpty ? "no reason was given" : last)
    }
  }

  static func check(_ molecule: String, _ topology: Topology, particles: Int) throws {
    guard particles == topology.atoms.count else {
      throw PreparationError.failed(
        molecule: molecule,
        reason: "the structure has \(topology.atoms.count) atoms and the force field \(particles)")
    }
  }
}

/// Why a molecule could not be prepared.
public enum PreparationError: Error, Equatable, CustomStringConvertible {
  case notInstalled(environment: String)
  case notInWheel(environment: String)
  case exists(file: String)
  case failed(molecule: String, reason: String)
  case cache(folder: String)

  public var description: String {
    switch self {
    case .notInstalled(let environment):
      "there is no .deps/\(environment): ./bootstrap\(environment == "prepare" ? "" : " --\(environment)") makes it (a Python with what makes molecules)"
    case .notInWheel(let environment):
      environment == "prepare"
        ? "the Python of this installation was not found: call the program as 'boltzmill', or set BOLTZMILL_PYTHON"
        : "small molecules are prepared by AmberTools, which no wheel brings: use a checkout, and ./bootstrap --\(environment)"
    case .exists(let file): "\(file) is there already and is not replaced; name another folder"
    case .failed(let molecule, let reason): "\(molecule) could not be prepared: \(reason)"
    case .cache(let folder):
      "\(folder) cannot be made, where its files are to be kept: set XDG_CACHE_HOME to a folder that can be written to"
    }
  }
}
