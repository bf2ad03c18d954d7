import Artifacts

/// MDTraj's HDF5 trajectory convention: root attributes and the topology; the caller adds /coordinates in nm.
enum MDTrajConvention {
  static func begin(_ writer: ArtifactWriter, topologyJSON: String) throws {
    try writer.setAttribute("", "conventions", "Pande")
    try writer.setAttribute("", "conventionVersion", "1.1")
    try writer.setAttribute("", "program", "boltzmill")
    try writer.setAttribute("", "programVersion", "1")
    try writer.write("topology", strings: [topologyJSON])
  }
}
