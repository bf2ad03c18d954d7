import Artifacts
import Basics
import ForceFields
import Foundation
import FreeEnergies
import Molecules
import Trajectories
import Workflow

/// Layout of a simulate stage's artifact, and the NetCDF file beside it.
struct SimulateOutput {
  let context: StageContext
  let setup: SimulateSetup
  let simulation: LangevinSimulation
  let frames: SimulateFrames

  func write() throws {
    let writer = context.output
    let (atoms, perRun) = (setup.molecule.topology.atoms.count, simulation.framesPerRun)
    let runs = setup.starts.targets.count
    let count = [runs * perRun]
    let times = (0..<runs).flatMap { _ in (1...perRun).map { Float(Double($0) * setup.parameters.saveInterval) } }
    try MDTrajConvention.begin(writer, topologyJSON: setup.molecule.topology.mdtrajJSON)
    try writer.createAppendable(
      "coordinates", Float.self, rowShape: [atoms, 3], units: "nanometers", dims: ["frame", "atom", "axis"])
    try writer.setAttribute("coordinates", "origin", "centre of mass")
    try writer.write("time", times, shape: count, units: "picoseconds", dims: ["frame"])
    let engine = try OpenMMEngine(system: setup.molecule.system, threads: context.threads)
    var energies: [Double] = []
    var angles = setup.torsions.names.map { _ in [Double]() }
    var stateAngles: [[Double]] = []
    context.progress.begin("energies", total: runs * perRun, unit: "frames")
    for run in frames.coordinates {
      try writer.append("coordinates", run)
      // of the coordinates as they are stored, so that whoever reads the file computes the same
      let stored = run.map(Double.init)
      energies += try engine.energies(stored) { context.progress.update(completed: energies.count + $0) }
      for (k, column) in setup.torsions.angles(stored, atoms: atoms).enumerated() { angles[k] += column.angles }
      stateAngles.append(torsionAngles(stored, atoms: atoms, torsions: [setup.stateAtoms]))
    }
    context.progress.end()
    try writer.write("energies", energies, shape: count, units: "kJ/mol", dims: ["frame"])

    try writer.writeScalar("results/frames", Int64(runs * perRun))
    try writer.write(
      "results/run", (0..<runs).flatMap { run in [Int32](repeating: Int32(run), count: perRun) }, shape: count,
      dims: ["frame"])
    for (k, name) in setup.torsions.names.enumerated() {
      let path = "results/torsions/\(name)"
      try writer.write(path, angles[k], shape: count, units: "rad", dims: ["frame"])
      try writer.setAttribute(path, "atoms", setup.torsions.atoms[k].map(String.init).joined(separator: ","))
    }
    try writer.write("results/steered_torsions", strings: setup.starts.names)
    try writer.write(
      "results/targets", setup.starts.targets.flatMap { $0 }, shape: [runs, setup.starts.torsions.count], units: "rad",
      dims: ["run", "torsion"])
    try writer.write(
      "results/attempts", simulation.state.runs.map { Int64($0.attempt + 1) }, shape: [runs], dims: ["run"])
    try write(stateAngles)
    try writer.writeScalar("results/simulated_time", simulation.simulatedTime, units: "ps")
    try writer.writeScalar("results/energy_evaluations", Int64(simulation.energyEvaluations))
    try setup.moves.write(tried: simulation.state.movesTried, taken: simulation.state.movesTaken, to: writer)

    let file = writer.url.deletingPathExtension().appendingPathExtension("nc")
    try TrajectoryFile.write(to: file, atoms: atoms, title: context.stage, frames: runs * perRun) { range in
      let (first, last) = (range.lowerBound / perRun, (range.upperBound - 1) / perRun)
      let values = (first...last).flatMap { run -> ArraySlice<Float> in
        let low = max(range.lowerBound, run * perRun) - run * perRun
        let high = min(range.upperBound, (run + 1) * perRun) - run * perRun
        return frames.coordinates[run][3 * atoms * low..<3 * atoms * high]
      }
      return (values.map(Double.init), range.map { Double(times[$0]) })
    }
    context.log("the frames as AMBER NetCDF: \(file.relativePath)")
  }

  /// What each run tells of the state.
  private func write(_ angles: [[Double]]) throws {
    let writer = context.output
    let runs = [angles.count]
    let transitions = angles.map { StateTransitions($0, state: setup.state) }
    try writer.write(
      "results/runs/transitions", transitions.map { Int64($0.count) }, shape: runs, dims: ["run"])
    try writer.write(
      "results/runs/exits", transitions.map { Int64($0.exits) }, shape: runs, dims: ["run"])
    try writer.write(
      "results/runs/state_population",
      angles.map { run in Double(run.filter(setup.state.contains).count) / Double(run.count) }, shape: runs,
      dims: ["run"])
    try writer.write(
      "results/runs/statistical_inefficiency", angles.map { statisticalInefficiency(angles: $0) }, shape: runs,
      units: "frames", dims: ["run"])
  }
}
