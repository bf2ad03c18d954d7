import Foundation
import OpenMM
import TestSupport
import Testing

@testable import ForceFields

@Suite("Energies and forces by OpenMM")
struct OpenMMEngineTests {
  @Test(arguments: [1, 3]) func equalOpenMMsPythonLayer(threads: Int) throws {
    let fixture = try AlanineFixture.load()
    let engine = try OpenMMEngine(systemXML: AlanineFixture.systemXML, threads: threads)
    #expect(engine.atomCount == fixture.atoms)
    let result = try engine.energiesAndForces(fixture.coordinates)
    #expect(largestRelativeError(result.energies, fixture.energies) < 1e-6)
    #expect(largestRelativeError(result.forces, fixture.forces) < 1e-6)
    #expect(try engine.energies(fixture.coordinates) == result.energies)
  }

  @Test func manyFramesComeBackInOrder() throws {
    let fixture = try AlanineFixture.load()
    let copies = 40
    let coordinates = (0..<copies).flatMap { _ in fixture.coordinates }
    let energies = try OpenMMEngine(systemXML: AlanineFixture.systemXML, threads: 2).energies(coordinates)
    #expect(largestRelativeError(energies, (0..<copies).flatMap { _ in fixture.energies }) < 1e-6)
    #expect(try OpenMMEngine(systemXML: AlanineFixture.systemXML, threads: 2).energies([]) == [])
  }

  @Test func forcesAreTheSlopesOfTheEnergy() throws {
    let fixture = try AlanineFixture.load()
    let engine = try OpenMMEngine(systemXML: AlanineFixture.systemXML, threads: 1)
    let frame = fixture.frame(1)
    let forces = try engine.energiesAndForces(frame).forces
    let step = 1e-5
    var moved: [Double] = []
    for i in frame.indices {
      for sign in [1.0, -1.0] {
        var copy = frame
        copy[i] += sign * step
        moved += copy
      }
    }
    let energies = try engine.energies(moved)
    let slopes = frame.indices.map { -(energies[2 * $0] - energies[2 * $0 + 1]) / (2 * step) }
    // Second differences leave an error of order step^2 times the third derivative of stiff bonds.
    #expect(largestRelativeError(forces, slopes) < 1e-4)
  }

  @Test func impossibleFramesHaveInfiniteEnergy() throws {
    let fixture = try AlanineFixture.load()
    let engine = try OpenMMEngine(systemXML: AlanineFixture.systemXML, threads: 2)
    let sound = fixture.frame(0)
    var overlapping = sound
    for axis in 0..<3 { overlapping[3 * 20 + axis] = sound[axis] }
    var undefined = sound
    undefined[7] = .nan
    var remote = sound
    remote[0] = 1e300
    let result = try engine.energiesAndForces(sound + overlapping + undefined + remote + sound)
    #expect(result.energies[0].isFinite && result.energies[4] == result.energies[0])
    #expect(result.energies[1...3].allSatisfy { $0 == .infinity })
    let perFrame = sound.count
    #expect(result.forces[..<perFrame].allSatisfy { $0.isFinite })
    #expect(result.forces[perFrame..<4 * perFrame].allSatisfy { $0.isNaN })
    #expect(try engine.energies(overlapping) == [.infinity])
  }

  /// OpenMM's own XML reader shares unlocked lists between threads; Systems read side by side must still be whole.
  @Test func systemsReadAtOnceAreSound() async throws {
    let fixture = try AlanineFixture.load()
    let frame = fixture.frame(2)
    let energies = try await withThrowingTaskGroup(of: [Double].self) { group in
      for _ in 0..<40 {
        group.addTask { try OpenMMEngine(systemXML: AlanineFixture.systemXML, threads: 1).energies(frame) }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(energies == [Double](repeating: energies[0], count: 40))
    #expect(largestRelativeError([energies[0]], [fixture.energies[2]]) < 1e-6)
  }

  @Test func wrongAtomCountIsAnError() throws {
    let engine = try OpenMMEngine(systemXML: AlanineFixture.systemXML, threads: 1)
    #expect(throws: OpenMMError.wrongShape(values: 21 * 3, atoms: 22)) {
      try engine.energies([Double](repeating: 0, count: 21 * 3))
    }
  }
}
