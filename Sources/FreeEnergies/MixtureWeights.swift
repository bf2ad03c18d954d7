#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// ln of the unbiased weights of umbrella samples, from the windows' free energies: -ln sum_k exp(f_k - u_k), with as many samples in
/// every window. Up to a constant.
///
/// `angles` [samples][torsions] and `centers` [windows][torsions] in rad, `forceConstants` in kT/rad^2, `freeEnergies` f_k in kT.
/// Source: Shirts and Chodera, J. Chem. Phys. 129, 124105 (2008), eq. 9.
public func umbrellaLogWeights(
  angles: [[Double]], centers: [[Double]], forceConstants: [Double], freeEnergies: [Double]
) throws -> [Double] {
  let count = forceConstants.count
  guard centers.count == freeEnergies.count, !centers.isEmpty, centers.allSatisfy({ $0.count == count }),
    angles.allSatisfy({ $0.count == count })
  else {
    throw FreeEnergiesError.shape(
      "\(centers.count) windows, \(freeEnergies.count) free energies and \(count) force constants do not fit the samples"
    )
  }
  return parallelMap(angles.count) { n in
    let terms = centers.indices.map { k -> Double in
      var bias = 0.0
      for t in 0..<count {
        let d = (angles[n][t] - centers[k][t]).remainder(dividingBy: 2 * .pi)
        bias += 0.5 * forceConstants[t] * d * d
      }
      return freeEnergies[k] - bias
    }
    return -logSumExp(terms)
  }
}
