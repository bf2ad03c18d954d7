import Artifacts
import Records

/// MDTraj's HDF5 trajectory convention: root attributes and the topology; the caller adds /coordinates in nm.
enum MDTrajConvention {
  static func begin(_ writer: ArtifactWriter, topologyJSON: String) throws {
    let record = Recorded.ingest.trajectory
    try writer.write(
      (record.conventions, "Pande"), (record.conventionVersion, "1.1"), (record.program, "boltzmill"),
      (record.programVersion, "1"), (record.topology, [topologyJSON]))
  }
}
