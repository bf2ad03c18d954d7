import Basics

extension UmbrellaData {
  /// From the records of a sampler, rad, [walks, windows, samples, torsions], the biased torsions first.
  ///
  /// - walkNames: [walks]; torsionNames, folds: [torsions], folds being the equal places of a full turn: between them there is no
  ///   barrier worth a warning.
  /// - centers: rad, [windows][biased torsions]; forceConstants: kJ/mol/rad^2, [biased torsions].
  /// - sharedBias: kJ/mol, [walks, windows, samples], of a bias that all windows have; nil: none.
  /// - temperature: K; sampleInterval: ps.
  ///
  /// Throws `NDArrayError` where the numbers of values do not fit.
  public init(
    records: [Double], walkNames: [String], torsionNames: [String], folds: [Int], centers: [[Double]],
    forceConstants: [Double], neighbours: [(Int, Int)], sampleInterval: Double, sharedBias: [Double]? = nil,
    temperature: Double
  ) throws {
    let (windows, biased, all) = (centers.count, forceConstants.count, torsionNames.count)
    let rows = records.count / max(1, all * walkNames.count)
    let samples = rows / max(1, windows)
    let kT = PhysicalConstants.thermalEnergy(temperature: temperature)
    let walks = try walkNames.enumerated().map { walk, name in
      let first = walk * rows
      func columns(_ range: Range<Int>) throws -> NDArray<Double> {
        var values: [Double] = []
        values.reserveCapacity(rows * range.count)
        for row in first..<first + rows {
          for column in range { values.append(Double(folds[column]) * records[row * all + column]) }
        }
        return try NDArray(values, shape: [windows, samples, range.count])
      }
      return Walk(
        name: name, series: try columns(0..<biased), others: try columns(biased..<all),
        sharedBias: try sharedBias.map {
          try NDArray($0[first..<first + rows].map { $0 / kT }, shape: [windows, samples])
        })
    }
    self.init(
      torsionNames: Array(torsionNames.prefix(biased)), otherNames: Array(torsionNames.dropFirst(biased)),
      centers: centers, forceConstants: forceConstants.map { $0 / kT }, neighbours: neighbours, walks: walks,
      sampleInterval: sampleInterval)
  }
}
