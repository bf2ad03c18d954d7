import Foundation
import Trajectories

func showTrajectories(_ dataset: URL) throws {
  let trajectory = try TrajectoryFile.open(dataset.appendingPathComponent("alanine-beta.nc"), expectedAtoms: 22)
  let last = trajectory.frameCount - 10..<trajectory.frameCount
  let coordinates = try trajectory.readFrames(last)  // [10, 22, 3], nm
  let times = try trajectory.readTimes(last)  // ps; nil where the file has none
  print("\(trajectory.frameCount) frames; \(coordinates.count) numbers read, the last at \(times?.last ?? .nan) ps")
}
