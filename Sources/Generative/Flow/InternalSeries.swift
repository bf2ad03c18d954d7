import Foundation
import Molecules

/// Stein's identity of internal coordinates: F = q - mean along each narrow one, whose divergence is 1, F = 1 along it, and sines and cosines along broad torsions.
struct InternalSeries {
  let coordinates: InternalCoordinates
  let topology: Topology
  /// Coordinates that are looked at; of the narrow ones also the centres of their arcs.
  let narrow, broad: [Int]
  let centres: [Double]

  /// What `values` [frames, dimension] and gradients of ln p over them, of the same shape, say of each.
  func found(
    _ values: [Double], _ gradients: [Double], _ blocks: SteinCheck.Blocks
  ) -> (narrow: [SteinCheck.Blocks.Narrow], turning: [SteinCheck.Blocks.Turning]) {
    let (dimension, frames) = (coordinates.dimension, blocks.frames)
    let narrow = zip(narrow, centres).map { index, centre in
      let shifted = (0..<frames).map { frame -> Double in
        let value = values[frame * dimension + index] - centre
        return coordinates.kinds[index].isTorsion ? wrappedAngle(value) : value
      }
      return blocks.narrow(
        subject(index), shifted: shifted, slopes: (0..<frames).map { gradients[$0 * dimension + index] })
    }
    let turning = broad.map { index in
      blocks.turning(
        subject(index), angles: (0..<frames).map { values[$0 * dimension + index] },
        slopes: (0..<frames).map { gradients[$0 * dimension + index] })
    }
    return (narrow, turning)
  }

  private func subject(_ index: Int) -> SteinCheck.Subject {
    let kind = coordinates.kinds[index]
    return SteinCheck.Subject(
      kind: kind.isLength ? .length : kind.isTorsion ? .torsion : .angle,
      label: coordinates.label(of: index, in: topology), title: coordinates.title(of: index, in: topology))
  }
}
