import Artifacts
import Records

/// MDTraj's HDF5 trajectory convention: root attributes and the topology; the caller adds /coordinates in nm.
enum MDTrajConvention {
  static func begin(_ writer: ArtifactWriter, topologyJSON: String) throws {
    let record = TrajectoryRecord<Float>()
    try writer.write(record.conventions, "Pande")
    try writer.write(record.conventionVersion, "1.1")
    try writer.write(record.program, "boltzmill")
    try writer.write(record.programVersion, "1")
    try writer.write(record.topology, [topologyJSON])
  }
}
