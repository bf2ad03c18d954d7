import Basics
import Foundation
import Molecules
import Testing

@testable import FreeEnergies

/// Populations and free energies of several states, by weights and by windows.
@Suite struct NamedStatesTests {
  // MARK: weights

  /// Two angles with weights that depend on them.
  private struct Samples {
    var phi: [Double] = [], psi: [Double] = [], u: [Double] = [], estimates: [[Double]] = [[], []]

    init(_ count: Int, seed: UInt64) {
      var random = RandomStream(seed: seed, "named states")
      for _ in 0..<count {
        let (a, b) = (2 * .pi * random.uniform() - .pi, 2 * .pi * random.uniform() - .pi)
        phi.append(a)
        psi.append(b)
        u.append(1.2 * cos(a) + 0.7 * cos(b - a))
        for k in 0..<2 { estimates[k].append(0.3 * random.normal()) }
      }
    }

    func states(_ set: StateSet) -> StateAssignment { set.assignment([phi, psi, nil], count: phi.count) }
  }

  private var options: Reweighting.Options {
    var options = Reweighting.Options()
    (options.bootstrapReplicates, options.profileBins) = (60, 12)
    return options
  }

  /// One named state of one torsion gives the bits of the arc that it is.
  @Test(arguments: [false, true]) func oneStateIsTheArc(smoothing: Bool) throws {
    let samples = Samples(3000, seed: 1)
    var options = options
    options.smoothing = smoothing
    let arc = try Reweighting(
      reducedPotential: samples.u, logDensities: samples.estimates, angle: samples.phi, state: TorsionState(),
      noiseAngles: [samples.psi], options: options)
    let named = try Reweighting(
      reducedPotential: samples.u, logDensities: samples.estimates,
      states: samples.states(StateSetTests.set([("left", [StateSetTests.box([0: (0, 2)])])])), angle: samples.phi,
      noiseAngles: [samples.psi], options: options)
    #expect(named.logWeights == arc.logWeights && named.profile == arc.profile && named.noise == arc.noise)
    #expect(named.states.differences == arc.states.differences && named.support == arc.support)
    #expect(named.states.populations == arc.states.populations && named.deltaF.isFinite)
    #expect(named.states.names == ["left", "rest"])
  }

  @Test func pairsAreRatiosOfSummedWeights() throws {
    let samples = Samples(4000, seed: 2)
    let set = try StateSetTests.set(
      [
        ("left", [StateSetTests.box([0: (0, 2)])]), ("far", [StateSetTests.box([0: (2.5, -2.5), 1: (-1, 2)])]),
        ("two", [StateSetTests.box([0: (-2, -1), 1: (0, 1)]), StateSetTests.box([0: (-1, 0), 1: (2, -2)])]),
      ], pairs: [.init(0, 1), .init(2, 3), .init(3, 0)])
    let result = try Reweighting(
      reducedPotential: samples.u, logDensities: [samples.u.map { _ in 0 }], states: samples.states(set), angle: nil,
      options: options)
    var sums = [0.0, 0, 0, 0]
    for (phi, (psi, u)) in zip(samples.phi, zip(samples.psi, samples.u)) {
      let state =
        phi > 0 && phi < 2
        ? 0
        : abs(phi) > 2.5 && psi > -1 && psi < 2
          ? 1 : (phi > -2 && phi < -1 && psi > 0 && psi < 1) || (phi > -1 && phi < 0 && abs(psi) > 2) ? 2 : 3
      sums[state] += exp(-u)
    }
    let total = sums.reduce(0, +)
    #expect(abs(result.statePopulations.reduce(0, +) - 1) < 1e-12)
    for (found, sum) in zip(result.states.populations, sums) {
      #expect(abs(found.share - sum / total) < 1e-9 && found.standardError > 0 && found.standardError < 0.02)
      #expect(found.interval[0] < found.share && found.share < found.interval[1] && found.effectiveSamples > 50)
    }
    for (pair, found) in zip(set.pairs, result.states.differences) {
      #expect(abs(found.value + log(sums[pair.from] / sums[pair.to])) < 1e-9)
      #expect(found.interval[0] < found.value && found.value < found.interval[1])
    }
    #expect(result.deltaF == result.states.differences[0].value && result.profile.angles.isEmpty)
  }

  /// A state that three samples carry has no number and takes none from others.
  @Test func aStateWithoutSupportIsNotDetermined() throws {
    var samples = Samples(2000, seed: 3)
    for n in samples.phi.indices where abs(samples.phi[n]) > 2.5 && n > 60 { samples.phi[n] = 0.5 }
    let set = try StateSetTests.set(
      [
        ("left", [StateSetTests.box([0: (0, 2)])]), ("far", [StateSetTests.box([0: (2.5, -2.5)])]),
        ("alpha", [StateSetTests.box([0: (-2, -1)])]),
      ], pairs: [.init(1, 0), .init(2, 0)])
    let few = samples.phi.indices.filter { abs(samples.phi[$0]) > 2.5 }
    for n in few.dropFirst(3) { samples.phi[n] = 1 }
    let result = try Reweighting(
      reducedPotential: samples.u, logDensities: [samples.u.map { _ in 0 }], states: samples.states(set), angle: nil,
      options: options)
    #expect(result.deltaF.isNaN && result.states.populations[1].share.isNaN && result.support[1].samples == 3)
    #expect(result.states.differences[1].value.isFinite && result.states.differences[1].standardError > 0)
    for state in [0, 2, 3] { #expect(result.states.populations[state].share.isFinite) }
    // all weight in one state: nothing to compare
    let one = samples.phi.map { _ in 1.0 }
    let error = #expect(throws: FreeEnergiesError.self) {
      try Reweighting(
        reducedPotential: samples.u, logDensities: [samples.u.map { _ in 0 }],
        states: set.assignment([one, one, nil], count: one.count), angle: nil, options: options)
    }
    #expect("\(try #require(error))".hasPrefix("all weight lies in left"))
  }

  // MARK: windows

  /// States in two torsions, from a grid of windows, against the weights of MBAR summed by hand and against quadrature.
  @Test func umbrellaWeighsStatesInTwoTorsions() throws {
    let surface = ModelSurface()
    let data = try surface.umbrella(
      windows: [30, 16], forceConstants: [80, 20], samples: 60, stepsPerSample: 12, seed: 1)
    let set = try StateSetTests.set(
      [
        ("left", [StateSetTests.box([0: (0, 2)])]), ("up", [StateSetTests.box([0: (-2.5, -0.5), 1: (0, 3)])]),
        (
          "down", [StateSetTests.box([0: (-2.5, -0.5), 1: (-3, 0)]), StateSetTests.box([0: (2.5, -2.5), 1: (-1, 1)])]
        ),
      ], pairs: [.init(0, 1), .init(1, 2), .init(3, 1)])
    var options = UmbrellaAnalysis.Options()
    (options.bootstrapReplicates, options.states) = (20, set)
    let result = try UmbrellaAnalysis(data: data, options: options).run()
    let states = try #require(result.states)
    #expect(result.deltaF == states.differences[0].value && states.differences[0].standardError == result.standardError)

    let records = data.walks.flatMap(\.series.values)
    let shape = [2, data.windowCount, data.samplesPerWalk, 2]
    let weighted = try UmbrellaSamples(
      records: NDArray(records, shape: shape),
      centers: NDArray(data.centers.flatMap { $0 }, shape: [data.windowCount, 2]),
      forceConstants: data.forceConstants, freeEnergies: result.windowFreeEnergies, maximumSamples: 1_000_000)
    var sums = [0.0, 0, 0, 0]
    for (n, weight) in weighted.weights.enumerated() {
      let (phi, psi) = (records[2 * n], records[2 * n + 1])
      let isDown = (phi > -2.5 && phi < -0.5 && psi > -3 && psi < 0) || (abs(phi) > 2.5 && abs(psi) < 1)
      sums[phi > 0 && phi < 2 ? 0 : phi > -2.5 && phi < -0.5 && psi > 0 && psi < 3 ? 1 : isDown ? 2 : 3] += weight
    }
    #expect(abs(states.populations.reduce(0) { $0 + $1.share } - 1) < 1e-9)
    for (found, sum) in zip(states.populations, sums) { #expect(abs(found.share / sum - 1) < 1e-6) }
    for (pair, found) in zip(set.pairs, states.differences) {
      #expect(abs(found.value + log(sums[pair.from] / sums[pair.to])) < 1e-6)
      let exact = self.exact(surface, set, pair)
      #expect(abs(found.value - exact) < 3.5 * found.standardError && found.standardError < 0.25, "\(found) \(exact)")
    }
    // the arc alone has the bits that it had without others beside it
    options.states = nil
    let arc = try UmbrellaAnalysis(data: data, options: options).run()
    options.states = try StateSetTests.set([("left", [StateSetTests.box([0: (0, 2)])])])
    let named = try UmbrellaAnalysis(data: data, options: options).run()
    #expect(named.deltaF == arc.deltaF && named.standardError == arc.standardError && named.halves == arc.halves)
    #expect(named.profile == arc.profile && arc.states?.differences[0].value == arc.deltaF)
  }

  private func exact(_ surface: ModelSurface, _ set: StateSet, _ pair: StateSet.Pair) -> Double {
    let n = 240
    let places = (0..<n).map { (i: Int) -> Double in (Double(i) + 0.5) / Double(n) * 2 * Double.pi - Double.pi }
    let grid = places.flatMap { phi in places.map { (phi, $0) } }
    let states = set.assignment([grid.map(\.0), grid.map(\.1), nil], count: grid.count)
    let sums = states.sums(grid.map { exp(-surface.energy($0.0, $0.1)) })
    return -log(sums[pair.from] / sums[pair.to])
  }

  /// A torsion without a bias that was recorded for the states tells them; one that was not leaves them untold.
  @Test func statesOfTorsionsWithoutABias() throws {
    var surface = ModelSurface()
    surface.psiBarrier = 0.5
    var data = try surface.umbrella(windows: [24], forceConstants: [80], samples: 200, stepsPerSample: 10, seed: 5)
    let set = try StateSetTests.set(
      [
        ("left", [StateSetTests.box([0: (0, 2)])]), ("up", [StateSetTests.box([0: (-2.5, -0.5), 1: (0, 3)])]),
        ("down", [StateSetTests.box([0: (-2.5, -0.5), 1: (-3, 0)])]),
      ], pairs: [.init(1, 2), .init(0, 3)])
    var options = UmbrellaAnalysis.Options()
    (options.bootstrapReplicates, options.states) = (20, set)
    #expect(throws: FreeEnergiesError.self) { try UmbrellaAnalysis(data: data, options: options).run() }
    data.stateNames = ["psi"]
    for walk in data.walks.indices { data.walks[walk].stateTorsions = data.walks[walk].others }
    let result = try UmbrellaAnalysis(data: data, options: options).run()
    let states = try #require(result.states)
    for (pair, found) in zip(set.pairs, states.differences) {
      #expect(abs(found.value - exact(surface, set, pair)) < 4 * found.standardError && found.standardError < 0.4)
    }
  }

  /// Windows on one torsion: of states in another one nothing is told, and the others stand.
  @Test func windowsTellWhatTheyCan() throws {
    var random = RandomStream(seed: 8, "flat windows")
    let kT = PhysicalConstants.thermalEnergy(temperature: 300)
    let windows = (0..<16).map { k -> BiasedWindows.Window in
      let center = 2 * Double.pi * (Double(k) + 0.5) / 16 - .pi
      return .init(
        name: "w\(k)", centers: [center], forceConstants: [10 * kT], temperature: 300,
        values: (0..<300).map { _ in center + random.normal() / 10.0.squareRoot() })
    }
    let data = BiasedWindows(
      coordinates: [.init(name: "phi", isTorsion: true)], windows: windows, temperature: 300, sampleInterval: nil)
    let set = try StateSetTests.set(
      [
        ("left", [StateSetTests.box([0: (0, 2)])]), ("right", [StateSetTests.box([0: (-2, -1)])]),
        ("up", [StateSetTests.box([0: (2, 3), 1: (0, 1)])]),
      ], pairs: [.init(0, 1), .init(2, 0), .init(3, 0)])
    var options = WindowsAnalysis.Options()
    (options.states, options.bootstrapReplicates) = (set, 20)
    let result = try WindowsAnalysis(data: data, options: options).run().result
    let states = try #require(result.states)
    #expect(abs(states.differences[0].value + log(2.0)) < 4 * states.differences[0].standardError)
    #expect(states.differences[0].standardError < 0.3 && result.deltaF == states.differences[0].value)
    #expect(states.differences[1...].allSatisfy { $0.value.isNaN && $0.standardError.isNaN })
    #expect(abs(states.populations[0].share - 1 / Double.pi) < 0.03)
    #expect(states.populations[2...].allSatisfy { $0.share.isNaN })
  }

  // MARK: proposals

  /// Two torsions that hop seldom, one that hops all the time and one that never does.
  @Test func placesOfSlowTorsionsAreProposed() throws {
    var random = RandomStream(seed: 6, "hops")
    func series(_ places: [Double], stay: Int, _ count: Int) -> [Double] {
      var place = 0
      return (0..<count).map { n in
        if n % stay == stay - 1 { place = Int(random.next(upperBound: UInt64(places.count))) }
        return wrapped(places[place] + 0.2 * random.normal())
      }
    }
    let count = 6000
    let columns = [
      series([-1.4, 1.1], stay: 300, count), series([0], stay: 1, count), series([2.9, -0.6, 0.8], stay: 150, count),
      series([-1, 1, 3], stay: 2, count),
    ]
    let torsions = ["phi", "omega", "psi", "chi"].enumerated().map {
      RotatableTorsion(name: $0.element, atoms: [$0.offset, 5, 6, 7])
    }
    let proposal = StateProposal(torsions, series: columns.map { [$0] })
    #expect(proposal.chosen.map(\.torsion.name) == ["phi", "psi"] && proposal.others.map(\.torsion.name) == ["chi"])
    #expect(proposal.arcs.count == 6 && proposal.counts.count == 7 && proposal.counts.reduce(0, +) == count)
    #expect(proposal.counts.dropLast() == proposal.counts.dropLast().sorted(by: >)[...])
    #expect(Double(proposal.counts.last ?? count) < 0.02 * Double(count))
    // boxes of a set of states: no two overlap
    let set = try StateSet(
      coordinates: [.init("phi", isTorsion: true), .init("psi", isTorsion: true)],
      states: proposal.arcs.enumerated().map { index, arcs in
        ConformationalState(
          name: "\(index)", boxes: [.init(arcs.enumerated().map { .init(coordinate: $0.offset, .arc($0.element)) })])
      })
    #expect(set.assignment([columns[0], columns[2]], count: count).counts == proposal.counts)
    for (phi, psi) in [(-1.4, 2.9), (-1.4, -0.6), (1.1, 0.8)] {
      #expect(set.assignment([[phi], [psi]], count: 1).place[0] < 6)
    }
    let none = StateProposal([torsions[1]], series: [[columns[1]]])
    #expect(none.chosen.isEmpty && none.arcs.isEmpty && none.counts == [count])
  }
}
