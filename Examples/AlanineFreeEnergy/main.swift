// From a trajectory to a free-energy difference by the library alone: read frames, train an emulator, draw conformations with their
// densities, weight them by the force field, and compare the state 0 < phi < 2 rad with the rest.
//
//   swift run alanine-free-energy datasets/alanine [training steps] [samples]
import Basics
import ForceFields
import Foundation
import FreeEnergies
import Generative
import Molecules
import Trajectories

let arguments = CommandLine.arguments.dropFirst()
let dataset = URL(fileURLWithPath: arguments.first ?? "datasets/alanine")
let steps = arguments.dropFirst(1).first.flatMap { Int($0) } ?? 4000
let count = arguments.dropFirst(2).first.flatMap { Int($0) } ?? 10_000

let topology = try Topology.read(pdb: dataset.appendingPathComponent("alanine.pdb"))
let atoms = topology.atoms.count
var positions: [Double] = []
for name in ["alanine-left.nc", "alanine-beta.nc"] {
  let trajectory = try TrajectoryFile.open(dataset.appendingPathComponent(name), expectedAtoms: atoms)
  positions += try trajectory.readFrames(0..<trajectory.frameCount)
}
let frames = try NDArray(positions, shape: [positions.count / (3 * atoms), atoms, 3])

var settings = EmulatorSettings()
settings.optimization = { _ in OptimizationSettings(steps: steps, batch: 256) }
let emulator = try Emulator.train(on: frames, topology: topology, settings: settings).emulator
let samples = try emulator.flow(for: topology).samples(count, seed: 1)

let engine = try SerializedSystem(file: dataset.appendingPathComponent("system.xml")).engine(for: topology, threads: 1)
let thermalEnergy = PhysicalConstants.thermalEnergy(temperature: 300)
let result = try Reweighting(
  reducedPotential: engine.energies(samples.coordinates).map { $0 / thermalEnergy }, logDensities: samples.logDensities,
  angle: torsionAngles(samples.coordinates, atoms: atoms, torsions: [topology.torsion(named: "phi")]),
  state: TorsionState(from: 0, to: 2))
print(String(format: "dF = %.3f +- %.3f kT", result.deltaF, result.deltaFStandardError))
