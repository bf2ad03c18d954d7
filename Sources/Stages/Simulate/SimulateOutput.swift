import ForceFields
import Foundation
import FreeEnergies
import Molecules
import Records
import Trajectories
import Workflow

extension SimulateSetup {
  /// Writes the artifact, and the NetCDF file beside it. `coordinates`: nm, [runs][frames x atoms x 3].
  func write(_ simulation: LangevinSimulation, _ coordinates: [[Float]], to context: StageContext) throws {
    let (writer, output) = (context.output, SimulateStage.output)
    let (atoms, perRun, runs) = (molecule.topology.atoms.count, simulation.framesPerRun, coordinates.count)
    let times = (0..<runs).flatMap { _ in (1...perRun).map { Float(Double($0) * parameters.saveInterval) } }
    try MDTrajConvention.begin(writer, topologyJSON: molecule.topology.mdtrajJSON)
    try writer.begin(output.trajectory.coordinates, rowShape: [atoms, 3])
    try writer.write(output.trajectory.origin, "centre of mass")
    try writer.write(output.trajectory.time, times)
    let engine = try engine(threads: context.threads)
    var energies: [Double] = []
    var angles = torsions.names.map { _ in [Double]() }
    var columns: [[[Double]]] = []  // Of the states' coordinates, [runs][coordinates][frames]
    context.progress.begin("energies", total: runs * perRun, unit: "frames")
    for run in coordinates {
      try writer.append(output.trajectory.coordinates, run)
      // of the coordinates as they are stored, so that whoever reads the file computes the same
      let stored = run.map(Double.init)
      energies += try engine.energies(stored) { context.progress.update(completed: energies.count + $0) }
      for (k, column) in torsions.angles(stored, atoms: atoms).enumerated() { angles[k] += column.angles }
      columns.append(states.measured.columns(stored))
    }
    context.progress.end()
    try writer.write(output.energies, energies)
    try writer.write(output.frames, runs * perRun)
    try writer.write(output.run, (0..<runs).flatMap { [Int32](repeating: Int32($0), count: perRun) })
    for (k, name) in torsions.names.enumerated() {
      try writer.write(output.trajectory.torsions.angles[name], angles[k])
      try writer.write(
        output.trajectory.torsions.atoms[name], torsions.atoms[k].map(String.init).joined(separator: ","))
    }
    try writer.write(output.steeredTorsions, starts.names)
    try writer.write(output.targets, starts.targets.flatMap { $0 }, shape: [runs, starts.torsions.count])
    try writer.write(output.attempts, simulation.state.runs.map { $0.attempt + 1 })
    if system.constraintCount > 0 { try writer.write(output.ensemble, Ensemble.rigid.summary) }
    let leading = states.set.leading
    let transitions = columns.map { StateTransitions($0, state: leading) }
    try writer.write(output.transitions, transitions.map(\.count))
    try writer.write(output.exits, transitions.map(\.exits))
    try writer.write(
      output.statePopulation,
      columns.map { run in
        let inside = (0..<perRun).filter { n in leading.contains { run[$0][n] } }.count
        return Double(inside) / Double(perRun)
      })
    let slowest = leading.coordinates[0]
    try writer.write(
      output.statisticalInefficiency,
      columns.map { run in
        states.set.coordinates[slowest].isTorsion
          ? statisticalInefficiency(angles: run[slowest]) : statisticalInefficiency(segments: [run[slowest]])
      })
    if !states.isShort {
      let all = states.set.coordinates.indices.map { k in columns.flatMap { $0[k] } }
      let changes = states.set.changes(columns)
      let estimates = StateEstimates(
        counting: states.assignment(all), runs: (0..<runs).flatMap { [Int](repeating: $0, count: perRun) },
        changes: changes)
      try writer.write(output.states, estimates)
      for (name, count) in zip(estimates.names, changes) where count < StateEstimates.fewestChanges {
        context.warn(
          "\(name) was entered or left \(count) times in all runs (\(StateEstimates.fewestChanges) are the least): how often frames lie in it "
            + "is a matter of where the runs began, and has no error", .note)
      }
    }

    let file = try context.writeSideFile("nc") { place in
      try TrajectoryFile.write(to: place, atoms: atoms, title: context.stage, frames: runs * perRun) { range in
        let frames = range.flatMap { frame -> ArraySlice<Float> in
          let first = 3 * atoms * (frame % perRun)
          return coordinates[frame / perRun][first..<first + 3 * atoms]
        }
        return (frames.map(Double.init), range.map { Double(times[$0]) })
      }
    }
    context.log("the frames as AMBER NetCDF: \(file.relativePath)")
  }
}
