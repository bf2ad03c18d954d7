import Foundation

extension InternalCoordinates {
  /// Cartesian to internal. `cartesian`: [frames, atoms, 3], nm. Returns `values` [frames, dimension] and `logJacobian`
  /// [frames].
  ///
  /// `logJacobian` = ln |dx / dq| = sum over bonds of 2 ln r + sum over angles of ln sin(theta), with r in nm. It is exact:
  /// d^3N x = exp(logJacobian) dq times the volume element of rigid motions (translation and the Haar measure of
  /// rotation), which does not depend on q. Source: Parsons et al., J. Comput. Chem. 26, 1063 (2005), for the placement.
  /// An atom at distances r and s from two atoms that are D apart, turned about their axis, has r s / D in place of r^2 sin(theta).
  ///
  /// Throws `MoleculesError.coordinateCount`, `.nonFinite`, `.degenerate` (with the frame).
  public func internalCoordinates(
    _ cartesian: [Double], frames: Int
  ) throws -> (values: [Double], logJacobian: [Double]) {
    guard frames >= 0, cartesian.count == 3 * atomCount * frames else {
      throw MoleculesError.coordinateCount(
        count: cartesian.count, expected: "\(frames) frames x \(atomCount) atoms x 3")
    }
    let fans = fanRows
    var values = [Double](repeating: 0, count: frames * dimension)
    var jacobians = [Double](repeating: 0, count: frames)
    try cartesian.withUnsafeBufferPointer { x in
      try values.withUnsafeMutableBufferPointer { q in
        try rows.withUnsafeBufferPointer { rows in
          for frame in 0..<frames {
            jacobians[frame] = measure(x, 3 * atomCount * frame, q, dimension * frame, rows, fans)
            if !jacobians[frame].isFinite { throw fault(x, frame) }
          }
        }
      }
    }
    return (values, jacobians)
  }

  /// Internal to Cartesian, the exact inverse up to a rigid motion: the first atom at the origin, the second on the x axis,
  /// the third in the upper xy half plane. `values`: [frames, dimension]. Returns [frames, atoms, 3], nm, and the
  /// `logJacobian` of `internalCoordinates`.
  ///
  /// A frame with a bond <= 0, an angle outside (0, pi) or distances that make no triangle is not the image of any molecule: its logJacobian is -infinity, so
  /// that its density in Cartesian space is infinite and its weight in any reweighting zero.
  ///
  /// Throws `MoleculesError.coordinateCount`.
  public func cartesian(
    _ internalValues: [Double], frames: Int
  ) throws -> (coordinates: [Double], logJacobian: [Double]) {
    guard frames >= 0, internalValues.count == dimension * frames else {
      throw MoleculesError.coordinateCount(
        count: internalValues.count, expected: "\(frames) frames x \(dimension) internal coordinates")
    }
    let fans = fanRows
    var coordinates = [Double](repeating: 0, count: 3 * atomCount * frames)
    var jacobians = [Double](repeating: 0, count: frames)
    internalValues.withUnsafeBufferPointer { q in
      coordinates.withUnsafeMutableBufferPointer { x in
        rows.withUnsafeBufferPointer { rows in
          for frame in 0..<frames {
            jacobians[frame] = place(q, dimension * frame, x, 3 * atomCount * frame, rows, fans, standing: [])
          }
        }
      }
    }
    return (coordinates, jacobians)
  }

  /// For each row, whether its atom is placed by a distance in place of an angle.
  var fanRows: [Bool] {
    [false, false] + (2..<atomCount).map { kinds[atomCount - 1 + $0 - 2] == .distance }
  }

  /// One frame to internal coordinates; returns its log-Jacobian, not finite when something is wrong with the frame.
  private func measure(
    _ x: UnsafeBufferPointer<Double>, _ base: Int, _ q: UnsafeMutableBufferPointer<Double>, _ out: Int,
    _ rows: UnsafeBufferPointer<Row>, _ fans: [Bool]
  ) -> Double {
    let angles = out + atomCount - 1
    let torsions = angles + atomCount - 2
    var (volume, logVolume) = (1.0, 0.0)
    for i in 1..<atomCount {
      let row = rows[i]
      let b = Vector3(x, base + 3 * row.b)
      let arm = Vector3(x, base + 3 * row.atom) - b
      let r2 = arm.dot(arm)
      q[out + i - 1] = r2.squareRoot()
      volume *= r2
      if i >= 2 {
        let c = Vector3(x, base + 3 * row.c)
        let axis = c - b
        let normal = arm.cross(axis)
        let sine = normal.length
        if fans[i] {
          let diagonal = arm - axis
          let s2 = diagonal.dot(diagonal)
          q[angles + i - 2] = s2.squareRoot()
          // r s / D, where r^2 is there already
          volume *= (s2 / (r2 * axis.dot(axis))).squareRoot()
          if sine == 0 { return .nan }
        } else {
          q[angles + i - 2] = atan2(sine, arm.dot(axis))
          volume *= sine / (r2 * axis.dot(axis)).squareRoot()
        }
        if i >= 3 {
          let last = Vector3(x, base + 3 * row.d) - c
          // first = -arm, n1 = first x axis = -normal, n2 = axis x last
          let far = axis.cross(last)
          q[torsions + i - 3] = atan2(-arm.dot(far) * axis.length, -normal.dot(far))
          if far.dot(far) == 0 { return .nan }
        }
      }
      if i % 8 == 0 {
        logVolume += log(volume)
        volume = 1
      }
    }
    return logVolume + log(volume)
  }

  /// Places the atoms of one frame but those that are `standing`, by atom, which are there already (none where it is empty); returns ln |dx/dq| of
  /// those it places.
  func place(
    _ q: UnsafeBufferPointer<Double>, _ base: Int, _ x: UnsafeMutableBufferPointer<Double>, _ out: Int,
    _ rows: UnsafeBufferPointer<Row>, _ fans: [Bool], standing: [Bool]
  ) -> Double {
    let angles = base + atomCount - 1
    let (torsions, read) = (angles + atomCount - 2, UnsafeBufferPointer(x))
    var (volume, logVolume) = (1.0, 0.0)
    var valid = true
    for i in 0..<atomCount {
      let row = rows[i]
      if !standing.isEmpty, standing[row.atom] { continue }
      var position = Vector3(0, 0, 0)
      if i >= 1 {
        let r = q[base + i - 1]
        valid = valid && r > 0
        volume *= r * r
        if i == 1 {
          position = Vector3(r, 0, 0)
        } else {
          let b = Vector3(read, out + 3 * row.b)
          let axis = b - Vector3(read, out + 3 * row.c)
          let cosine: Double
          let sine: Double
          if fans[i] {
            let (s, d) = (q[angles + i - 2], axis.length)
            let exact = (r * r + d * d - s * s) / (2 * r * d)
            valid = valid && s > 0 && abs(exact) < 1
            cosine = exact.isNaN ? 0 : max(-1, min(1, exact))
            sine = (1 - cosine * cosine).squareRoot()
            volume *= s / (r * d)
          } else {
            let theta = q[angles + i - 2]
            (cosine, sine) = (cos(theta), sin(theta))
            valid = valid && theta > 0 && theta < .pi
            volume *= sine
          }
          let along = (1 / axis.length) * axis
          if i == 2 {
            position = b + r * Vector3(-cosine * along.x, sine, 0)
          } else {
            let phi = q[torsions + i - 3]
            let back = Vector3(read, out + 3 * row.c) - Vector3(read, out + 3 * row.d)
            let raw = back.cross(along)
            let normal = (1 / raw.length) * raw
            let inPlane = normal.cross(along)
            position = b + (-r * cosine) * along + (r * sine * cos(phi)) * inPlane + (r * sine * sin(phi)) * normal
          }
        }
      }
      let target = out + 3 * row.atom
      (x[target], x[target + 1], x[target + 2]) = (position.x, position.y, position.z)
      if i % 8 == 0, i > 0 {
        logVolume += log(abs(volume))
        volume = 1
      }
    }
    return valid ? logVolume + log(abs(volume)) : -.infinity
  }

  /// Names what made a frame's Jacobian not finite.
  private func fault(_ x: UnsafeBufferPointer<Double>, _ frame: Int) -> MoleculesError {
    let base = 3 * atomCount * frame
    for k in 0..<(3 * atomCount) where !x[base + k].isFinite { return .nonFinite(frame: frame, index: k) }
    for row in rows {
      let used = [row.atom, row.b, row.c, row.d].filter { $0 >= 0 }
      let points = used.map { Vector3(x, base + 3 * $0) }
      for k in points.indices.dropFirst() where (points[k] - points[k - 1]).length == 0 {
        return .degenerate(frame: frame, atoms: [used[k - 1], used[k]])
      }
      for k in points.indices.dropFirst(2)
      where (points[k] - points[k - 1]).cross(points[k - 1] - points[k - 2]).length == 0 {
        return .degenerate(frame: frame, atoms: [used[k - 2], used[k - 1], used[k]])
      }
    }
    return .degenerate(frame: frame, atoms: [])
  }
}
