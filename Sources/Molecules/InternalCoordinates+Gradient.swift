extension InternalCoordinates {
  /// Gradients over internal coordinates, by one backward pass through the placement of the atoms.
  ///
  /// `values` [frames, dimension] and positions `cartesian` [frames, atoms, 3], nm, that have them, turned and moved anyhow; `forces`
  /// [frames, atoms, 3], the gradient over these positions of some scalar which does not change where all atoms turn or move together. Returns [frames, dimension]: the gradient of that scalar plus
  /// `jacobian` times ln |dx/dq|. Over all other coordinates held fixed, rigid motions play no part.
  ///
  /// Throws `MoleculesError.coordinateCount`. What is not the image of a molecule has no gradient: its numbers are not finite.
  public func gradients(
    of forces: [Double], at cartesian: [Double], values: [Double], frames: Int, jacobian: Double = 0
  ) throws -> [Double] {
    let size = 3 * atomCount
    guard frames >= 0, forces.count == size * frames, cartesian.count == size * frames else {
      throw MoleculesError.coordinateCount(
        count: min(forces.count, cartesian.count), expected: "\(frames) frames x \(atomCount) atoms x 3")
    }
    guard values.count == dimension * frames else {
      throw MoleculesError.coordinateCount(
        count: values.count, expected: "\(frames) frames x \(dimension) internal coordinates")
    }
    let fans = fanRows
    var result = [Double](repeating: 0, count: values.count)
    // gradients over positions, which grow from the last atom placed to the first
    var pulls = [Vector3](repeating: Vector3(0, 0, 0), count: atomCount)
    values.withUnsafeBufferPointer { q in
      cartesian.withUnsafeBufferPointer { x in
        forces.withUnsafeBufferPointer { f in
          rows.withUnsafeBufferPointer { rows in
            for frame in 0..<frames {
              for atom in 0..<atomCount { pulls[atom] = Vector3(f, frame * size + 3 * atom) }
              pull(&pulls, q, x, frame, rows, fans, jacobian, &result, standing: [])
            }
          }
        }
      }
    }
    return result
  }

  /// From the gradient over positions, `pulls`, that over the internal coordinates of one frame. Atoms that are `standing`, by atom, are placed
  /// by nothing: in `pulls` stays the gradient over their positions, with what hangs on them carried along.
  func pull(
    _ pulls: inout [Vector3], _ q: UnsafeBufferPointer<Double>, _ x: UnsafeBufferPointer<Double>, _ frame: Int,
    _ rows: UnsafeBufferPointer<Row>, _ fans: [Bool], _ jacobian: Double, _ result: inout [Double], standing: [Bool]
  ) {
    let (base, out) = (frame * dimension, 3 * atomCount * frame)
    let angles = base + atomCount - 1
    let torsions = angles + atomCount - 2
    func position(_ atom: Int) -> Vector3 { Vector3(x, out + 3 * atom) }
    for i in (1..<atomCount).reversed() {
      let row = rows[i]
      if !standing.isEmpty, standing[row.atom] { continue }
      let g = pulls[row.atom]
      let r = q[base + i - 1]
      if i == 1 {
        result[base] += (1 / r) * g.dot(position(row.atom) - position(row.b)) + 2 * jacobian / r
        pulls[row.b] = pulls[row.b] + g
        continue
      }
      let axis = position(row.b) - position(row.c)
      let d = axis.length
      let along = (1 / d) * axis
      let arm = position(row.atom) - position(row.b)
      // the arm in the axis' own frame: -r cos along + r sin outward
      let cosine = -arm.dot(along) / r
      let across = arm + (r * cosine) * along
      let sine = across.length / r
      let outward = (1 / across.length) * across
      // the gradient over the direction of the axis, and over its length
      var (turn, stretch) = ((-r * cosine) * g, 0.0)
      result[base + i - 1] += (1 / r) * g.dot(arm)
      let slope = r * (sine * g.dot(along) + cosine * g.dot(outward))
      if fans[i] {
        let s = q[angles + i - 2]
        // over the cosine, whose own gradient is over r, s and the length of the axis
        let bend = -slope / sine
        result[base + i - 1] += bend * (1 / (2 * d) - (d * d - s * s) / (2 * r * r * d)) + jacobian / r
        result[angles + i - 2] += -bend * s / (r * d) + jacobian / s
        stretch = bend * ((1 + s * s / (d * d)) / (2 * r) - r / (2 * d * d)) - jacobian / d
      } else {
        result[angles + i - 2] += slope + jacobian * cosine / sine
        result[base + i - 1] += 2 * jacobian / r
      }
      pulls[row.b] = pulls[row.b] + g
      guard i >= 3 else {
        // the third atom is placed in a plane that stands still, along an axis that does too
        pulls[row.b] = pulls[row.b] + stretch * along
        pulls[row.c] = pulls[row.c] - stretch * along
        continue
      }
      let back = position(row.c) - position(row.d)
      let raw = back.cross(along)
      let normal = (1 / raw.length) * raw
      let inPlane = normal.cross(along)
      let (cosPhi, sinPhi) = (outward.dot(inPlane), outward.dot(normal))
      result[torsions + i - 3] += r * sine * (cosPhi * g.dot(normal) - sinPhi * g.dot(inPlane))
      let pullInPlane = (r * sine * cosPhi) * g
      let pullNormal = (r * sine * sinPhi) * g + along.cross(pullInPlane)
      turn = turn + pullInPlane.cross(normal)
      let pullRaw = (1 / raw.length) * (pullNormal - normal.dot(pullNormal) * normal)
      let pullBack = along.cross(pullRaw)
      turn = turn + pullRaw.cross(back)
      let pullAxis = (1 / d) * (turn - along.dot(turn) * along) + stretch * along
      pulls[row.b] = pulls[row.b] + pullAxis
      pulls[row.c] = pulls[row.c] - pullAxis + pullBack
      pulls[row.d] = pulls[row.d] - pullBack
    }
  }
}
