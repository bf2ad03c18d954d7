/// The stages that every molecule of a batch goes through, each of the least size that runs.
enum Chain {
  static func text(cells: Int, data: String) -> String {
    let entries = (0..<cells).map { "    m\($0): { stride: \(100 + $0 % 40) }" }.joined(separator: "\n")
    return """
      name: chain
      seed: 1
      matrix:
        molecule:
      \(entries)
      system:
        topology: \(data)/alanine.pdb
        forcefield: \(data)/system.xml
        torsions: { phi: [4, 6, 8, 14], psi: [6, 8, 14, 16] }
      stages:
        frames:   { uses: ingest, trajectory: \(data)/alanine-left.nc, stride: "${molecule.stride}" }
        emulator: { uses: emulator, frames: frames, network: { width: 8, depth: 1 }, training: { steps: 2, batch: 32 } }
        fresh:    { uses: sample, emulator: emulator, count: 40, log_density: stochastic-trace }
        traced:   { uses: reweight, samples: fresh, density: stochastic-trace }
        report:   { uses: report, compare: traced }

      """
  }
}
