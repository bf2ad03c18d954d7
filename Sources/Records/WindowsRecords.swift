import Artifacts
import HDF5

/// `windows`: umbrella windows that someone has run. What `umbrella` writes too stands in the same places.
public struct WindowsRecord: StageRecord {
  public static let stageType = "windows"
  public let coordinateNames = Texts("windows/coordinates", axes: ["coordinate"], "names of what the biases act on")
  public let files = Texts("windows/files", axes: ["window"], "where each window's samples come from")
  public let torsionCenters = Named(under: "windows/torsion_centers") {
    Reals($0, unit: "rad", axes: ["window"], "centres of the biases on the torsion of that name")
  }
  public let torsionForceConstants = Named(under: "windows/torsion_force_constants") {
    Reals($0, unit: "kJ/mol/rad2", axes: ["window"], "of k/2 (torsion - centre)^2")
  }
  public let distanceCenters = Named(under: "windows/distance_centers") {
    Reals($0, unit: "nm", axes: ["window"], "centres of the biases on the distance of that name")
  }
  public let distanceForceConstants = Named(under: "windows/distance_force_constants") {
    Reals($0, unit: "kJ/mol/nm2", axes: ["window"], "of k/2 (distance - centre)^2")
  }
  public let temperatures = Reals("windows/temperature", unit: "K", axes: ["window"], "of its dynamics")
  public let window = Integers("samples/window", axes: ["sample"], "which window it is from")
  public let place = Integers("samples/place", axes: ["sample"], "its place among the samples taken of that window")
  public let torsions = Named(under: "samples/torsions") {
    Reals($0, unit: "rad", axes: ["sample"], "the torsion of that name")
  }
  public let distances = Named(under: "samples/distances") {
    Reals($0, unit: "nm", axes: ["sample"], "the distance of that name")
  }
  public let logWeights = Reals(
    "samples/log_weights", axes: ["sample"], "normalised (sum of w = 1), of the ensemble without biases")
  public let freeEnergy = Recorded.umbrella.freeEnergy
  public let bootstrapError = Recorded.umbrella.bootstrapError
  public let correlatedError = Recorded.umbrella.correlatedError
  public let mbarError = Recorded.umbrella.mbarError
  public let halves = Recorded.umbrella.halves
  public let states = Recorded.umbrella.states
  public let profile = Recorded.umbrella.profile
  public let distanceProfile = Named(under: "results/distance_profile") {
    Reals(
      $0, unit: "nm", axes: ["bin"], "middles of the bins of the distance of that name, where the profile is along one")
  }
  public let overlap = Recorded.umbrella.overlap
  public let windowFreeEnergy = Recorded.umbrella.windowFreeEnergy
  public let statisticalInefficiency = Recorded.umbrella.statisticalInefficiency
  public let correlationTime = Recorded.umbrella.correlationTime
  public let slowestTorsion = Recorded.umbrella.slowestTorsion
  public let shortWindows = Recorded.umbrella.shortWindows
  public let mbarGradient = Recorded.umbrella.mbarGradient
  public let weakestLink = Recorded.umbrella.weakestLink
  public let slidWindows = Recorded.umbrella.slidWindows
  public let fewestSamplesBetweenLines = Recorded.umbrella.fewestSamplesBetweenLines
}
