import Testing

@testable import Trajectories

@Suite struct RepeatedFramesTests {
  private func find(
    _ files: [(name: String, times: [Double]?, count: Int)], fingerprint: (Int, Int) -> Int = { 1000 * $0 + $1 }
  ) -> [RepeatedFrames] {
    let timed = files.map { TimedFrames(file: $0.name, frames: Array(0..<$0.count), times: $0.times) }
    return RepeatedFrames.find(timed, fingerprint: fingerprint)
  }

  private func grid(_ range: ClosedRange<Int>) -> (times: [Double], count: Int) {
    (range.map(Double.init), range.count)
  }

  @Test func overlapsOfRestartsAreFound() {
    let (a, b) = (grid(0...50), grid(40...90))
    let found = find([("a.nc", a.times, a.count), ("b.nc", b.times, b.count)])
    #expect(
      found == [
        RepeatedFrames(
          earlier: .init(file: "a.nc", first: 40, last: 50), later: .init(file: "b.nc", first: 0, last: 10),
          times: 40...50)
      ])
    #expect(
      found.first?.description
        == "b.nc: the times of frames 0 to 10 (40.0 to 50.0 ps) are those of frames 40 to 50 of a.nc too: if the later ones go "
        + "on from a restart, that piece of the trajectory counts twice")
    // within one file, of frames that were picked
    let times: [Double] = [0, 2, 4, 6, 5, 7, 9]
    let picked = RepeatedFrames.find(
      [TimedFrames(file: "c.nc", frames: [10, 12, 14, 16, 18, 20, 22], times: times)], fingerprint: { $1 })
    #expect(picked.map(\.later) == [.init(file: "c.nc", first: 18, last: 18)])
    #expect(picked.map(\.earlier) == [.init(file: "c.nc", first: 16, last: 16)])
    #expect(picked.map(\.times) == [5...5])
    // the frame at the seam is there twice
    let (c, d) = (grid(0...5), grid(5...9))
    #expect(
      find([("c", c.times, c.count), ("d", d.times, d.count)]).map(\.later) == [.init(file: "d", first: 0, last: 0)])
  }

  @Test func runsOfTheirOwnAreNotTakenForRestarts() {
    let (a, b) = (grid(0...50), grid(51...90))
    #expect(find([("a", a.times, a.count), ("b", b.times, b.count), ("c", a.times, a.count)]).isEmpty)
    // sixteen runs in one file, each from the same first time
    let many = (0..<16).flatMap { _ in (1...10).map { 0.6 * Double($0) } }
    #expect(find([("left.nc", many, many.count)]).isEmpty)
    #expect(find([("a", nil, 5), ("b", nil, 5)]).isEmpty)
    #expect(find([]).isEmpty)
  }

  /// Equal times alone do not make a restart: frames tell.
  @Test func framesThatDifferPlainlyAreOfRunsOfTheirOwn() {
    let (a, b) = (grid(0...50), grid(40...90))
    let files = [("a.nc", a), ("b.nc", b)].map { name, grid in
      TimedFrames(file: name, frames: Array(0..<grid.count), times: grid.times)
    }
    // a walk of equal steps; the second file begins `shift` away from the frame of its time
    func found(shift: Double) -> [RepeatedFrames] {
      func place(_ file: Int, _ frame: Int) -> Double { file == 0 ? Double(frame) : Double(frame) + 40 + shift }
      return RepeatedFrames.find(files, fingerprint: { 1000 * $0 + $1 }) { one, other in
        abs(place(one.file, one.frame) - place(other.file, other.frame))
      }
    }
    #expect(found(shift: 0.5).map(\.isOfRunsOfTheirOwn) == [false])
    #expect(found(shift: 20).map(\.isOfRunsOfTheirOwn) == [true])
    #expect(found(shift: 20)[0].description.hasSuffix("they are taken for runs of their own"))
    #expect(find([("a.nc", a.times, a.count), ("b.nc", b.times, b.count)]).map(\.isOfRunsOfTheirOwn) == [false])
  }

  @Test func theSameFramesAgainAreFound() {
    let a = grid(0...50)
    let found = find([("a.nc", a.times, 51), ("x.nc", a.times, 51), ("again.nc", a.times, 51)]) { file, frame in
      file == 1 ? 777 + frame : frame
    }
    #expect(found.map(\.later.file) == ["again.nc"] && found.map(\.earlier.file) == ["a.nc"])
    #expect(found[0].description == "again.nc: frames 0 to 50 are the same as frames 0 to 50 of a.nc: they count twice")
    // without times too
    #expect(find([("a.dcd", nil, 5), ("b.dcd", nil, 5)]) { $1 }.count == 1)
  }
}
