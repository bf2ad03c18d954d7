import Basics
import Foundation
import Generative
import Molecules
import Trajectories

func showGenerative(_ dataset: URL) throws {
  let topology = try Topology.read(pdb: dataset.appendingPathComponent("alanine.pdb"))
  let trajectory = try TrajectoryFile.open(dataset.appendingPathComponent("alanine-beta.nc"))
  let frames = try NDArray(trajectory.readFrames(0..<4000), shape: [4000, 22, 3])
  var settings = EmulatorSettings()
  settings.optimization = { _ in OptimizationSettings(steps: 50, batch: 128) }  // a few thousand make a good one
  let emulator = try Emulator.train(on: frames, topology: topology, settings: settings).emulator
  let samples = try emulator.flow(for: topology).samples(100, seed: 1)
  print("\(samples.coordinates.count) numbers drawn, ln q of the first \(samples.logDensities[0][0])")
}
