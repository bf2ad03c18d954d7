import Artifacts
import Basics
import Foundation
import Records
import TestSupport
import Testing

/// Draws and densities for other programs, by a real worker on a short run.
@Suite(.serialized) struct EmulatorServerTests {
  /// A run of alanine dipeptide that every test reads: an emulator, its samples, and frames.
  private static let made = Result { try EmulatorRun() }
  private let run: EmulatorRun

  init() throws { run = try Self.made.get() }

  @Test func samplesAndDensitiesAreThoseOfTheStage() throws {
    let worker = try EmulatorWorker(run)
    let about = try worker.ask(["request": "describe"])
    #expect(about.header["atoms"] as? Int == 22 && about.header["temperature"] as? Double == 310)
    #expect(about.header["type"] as? String == "emulator" && about.header["held_bonds"] as? Int == 0)
    #expect((about.header["options"] as? [String: Any])?["ode_steps"] as? Int == 8)

    for stage in ["traced", "exact"] {
      let artifact = try run.artifact(stage)
      let record = Recorded.sample
      let options: [String: Any] =
        stage == "traced" ? ["count": 70, "batch": 32] : ["count": 70, "batch": 32, "log_density": "exact-trace"]
      let seed = artifact.provenance.seed
      let drawn = try worker.ask(["request": "sample", "seed": seed, "options": options])
      let coordinates = try artifact.read(record.trajectory.coordinates).values
      let stored = try artifact.read(record.logDensity.values).values
      let prior = try artifact.read(record.prior).values.map(Double.init)
      #expect(drawn.header["lost"] as? Int == 70 - stored.count && stored.count > 60)
      #expect(drawn.arrays["coordinates"] == coordinates && drawn.arrays["log_density"] == stored)
      #expect(drawn.arrays["prior"] == prior)

      var request: [String: Any] = ["request": "log_prob", "seed": seed, "options": options]
      let shape = [stored.count, 22, 3]
      request["arrays"] = [
        ["name": "coordinates", "shape": shape],
        ["name": "prior", "shape": [stored.count, prior.count / stored.count]],
      ]
      let again = try #require(try worker.ask(request, [coordinates, prior]).arrays["log_density"])
      #expect(zip(again, stored).allSatisfy { abs($0 - $1) < 1e-6 })

      // turned and moved, as another program might hold them, and without the prior
      request["arrays"] = [["name": "coordinates", "shape": shape]]
      var turned = coordinates
      for x in stride(from: 0, to: coordinates.count, by: 3) {
        (turned[x], turned[x + 1]) = (1 - coordinates[x + 1], 2 + coordinates[x])
      }
      let found = try #require(try worker.ask(request, [turned]).arrays["log_density"])
      let differences = zip(found, stored).map { abs($0 - $1) }
      print("\(stage): ln q of coordinates alone, off by \(differences.max() ?? .nan) nat at most, of \(stored[0])")
      #expect(differences.allSatisfy { $0 < 2e-4 })
    }
    #expect(try worker.end() == 0)
  }

  /// Each is answered in words, and the worker goes on.
  @Test func whatCannotBeAnsweredIsToldAndTheWorkerGoesOn() throws {
    let worker = try EmulatorWorker(run)
    let frame = try run.artifact("traced").read(Recorded.sample.trajectory.coordinates).values.prefix(66).map { $0 }
    let mirrored = frame.map { -$0 }
    var broken = frame
    broken[40] = .nan
    let one: [String: Any] = ["name": "coordinates", "shape": [1, 22, 3]]
    let prior: [String: Any] = ["name": "prior", "shape": [1, 60]]
    func expect(_ words: String, _ header: [String: Any], _ arrays: [Double]...) throws {
      let error = try #require(try worker.ask(header, arrays).header["error"] as? [String: Any], "\(header)")
      #expect((error["message"] as? String)?.contains(words) == true, "\(header): \(error)")
      #expect((error["type"] as? String)?.hasSuffix("Error") == true)
    }
    try expect("there is no request 'smaple'; did you mean 'sample'?", ["request": "smaple"])
    try expect("the header is not JSON with request", ["seed": 1])
    try expect("the header is not JSON", ["request": "sample", "seed": -1])
    try expect("unknown key 'ode_step'", ["request": "sample", "options": ["ode_step": 4]])
    try expect("1 to 10000", ["request": "sample", "options": ["ode_steps": 0]])
    try expect("a whole number", ["request": "sample", "options": ["count": "many"]])
    try expect("one answer holds at most", ["request": "sample", "options": ["count": 1 << 40]])
    try expect("scores are written by a stage", ["request": "sample", "options": ["scores": true]])
    try expect("needs a fixed-step integrator", ["request": "sample", "options": ["integrator": "dopri5"]])
    try expect("the arrays are 'coordinates', and none", ["request": "sample", "arrays": [one]], frame)

    func density(_ arrays: [[String: Any]], _ options: [String: Any] = [:]) -> [String: Any] {
      ["request": "log_prob", "options": options, "arrays": arrays]
    }
    func shaped(_ shape: [Int]) -> [String: Any] { density([["name": "coordinates", "shape": shape]]) }
    try expect("the arrays are missing, and coordinates", density([]))
    try expect("each once", density([one, one]), frame, frame)
    try expect("gives no log-density", density([one], ["log_density": "none"]), frame)
    try expect(
      "the way back from a conformation needs a fixed-step",
      density([one], ["integrator": "dopri5", "log_density": "exact-trace"]), frame)
    try expect("has the shape [1, 21, 3], and [samples, 22, 3] is needed", shaped([1, 21, 3]), Array(frame.prefix(63)))
    try expect("has the shape", shaped([Int.max, 22, 3]))
    try expect("has the shape", shaped([-1, 22, 3]))
    try expect("their shapes are wrong", shaped([2, 22, 3]), frame)
    try expect("their shapes are wrong", shaped([1, 22, 3]), frame, [0])
    try expect("ends", density([one, prior]), frame, [Double](repeating: 0, count: 60))
    try expect("sample 0, atom 13 (from 0): a coordinate is nan", shaped([1, 22, 3]), broken)
    try expect("the other hand than the emulator's molecule", shaped([1, 22, 3]), mirrored)
    try expect("nm apart: give whole molecules, in nm", shaped([1, 22, 3]), frame.map { 10 * $0 })
    try expect("32768 are transported at a time at most", ["request": "sample", "options": ["batch": Int.max]])
    // headers that are no JSON at all
    for text in ["", "{", "[1, 2]", String(repeating: "[", count: 100_000), "\u{0}", #"{"request": {}}"#] {
      #expect(try worker.send(lengths: nil, Data(text.utf8), Data()).header["error"] != nil)
    }
    // no atoms are apart: a molecule of no extent has no density, and is no reason to end
    let flat = try worker.ask(density([one]), [[Double](repeating: 0.5, count: 66)])
    #expect(flat.header["error"] != nil)
    #expect(try worker.ask(shaped([0, 22, 3])).arrays["log_density"] == [])
    #expect(try worker.ask(["request": "describe"]).header["atoms"] as? Int == 22)
    #expect(try worker.end() == 0)
  }

  /// Several prior points may lead to one conformation of a coarse network over positions, and nothing tells: no density without the point.
  @Test func positionsNeedTheirPriorPoints() throws {
    let worker = try EmulatorWorker(run, of: "positions")
    let drawn = try worker.ask([
      "request": "sample", "options": ["count": 6, "log_density": "exact-trace", "ode_steps": 3],
    ])
    let (coordinates, stored) = try (
      #require(drawn.arrays["coordinates"]), #require(drawn.arrays["log_density"])
    )
    let prior = try #require(drawn.arrays["prior"])
    #expect(stored.count > 0)
    var request: [String: Any] = ["request": "log_prob", "options": ["log_density": "exact-trace", "ode_steps": 3]]
    request["arrays"] = [["name": "coordinates", "shape": [stored.count, 22, 3]]]
    let refused = try #require(try worker.ask(request, [coordinates]).header["error"] as? [String: Any])
    #expect((refused["message"] as? String)?.contains("with the prior points that came with it") == true, "\(refused)")
    request["arrays"] = [
      ["name": "coordinates", "shape": [stored.count, 22, 3]],
      ["name": "prior", "shape": [stored.count, prior.count / stored.count]],
    ]
    let found = try #require(try worker.ask(request, [coordinates, prior]).arrays["log_density"])
    #expect(zip(found, stored).allSatisfy { abs($0 - $1) < 1e-3 }, "\(found) \(stored)")
    #expect(try worker.end() == 0)
  }

  /// What no longer is a message ends the worker in words, without memory being taken for what is announced.
  @Test func whatIsNoMessageEndsTheWorkerInWords() throws {
    let announced: [(UInt64, UInt64, String)] = [
      (.max, 0, "the header of the message would be"), (2, 1 << 40, "the numbers of the message would be"),
      (2, .max, "the numbers of the message would be"),
      (100, 0, "the message ends in the header, after 2 of 100 bytes"),
      (2, 1 << 29, "the message ends in the numbers, after 0 of 536870912 bytes"),
    ]
    for (header, numbers, expected) in announced {
      let worker = try EmulatorWorker(run)
      worker.write(lengths: (header, numbers), Data("{}".utf8), Data())
      worker.closeInput()
      let error = try #require(try worker.answer().header["error"] as? [String: Any])
      #expect((error["message"] as? String)?.contains(expected) == true, "\(error)")
      #expect(try worker.end() == 2)
    }
    // random bytes: as they are they announce too much; with right lengths before them each is answered, and the worker goes on
    let worker = try EmulatorWorker(run)
    for seed in 0..<20 {
      var random = RandomStream(seed: UInt64(seed))
      let bytes = Data((0..<200).map { _ in UInt8.random(in: 0...255, using: &random) })
      #expect(try worker.send(lengths: nil, bytes.prefix(100), bytes.suffix(96)).header["error"] != nil)
    }
    worker.write(Data(repeating: 0xff, count: 200))
    worker.closeInput()
    #expect(try worker.end() == 2)
  }

  @Test func whatHoldsNoEmulatorIsRefused() throws {
    let program = try Program()
    let url = run.folder.appendingPathComponent("frames.h5")
    let frames = try program.run("serve-emulator", url.path)
    #expect(frames.code == 1 && frames.output.isEmpty && frames.errors.contains("of type ingest, holds no emulator"))
    #expect(try program.run("serve-emulator", "nothing.h5").code == 1)
    #expect(try program.run("serve-emulator", url.path, "--threads", "0").code == 2)
    // away from its run an emulator knows no structure
    let emulator = program.folder.appendingPathComponent("emulator.h5")
    try FileManager.default.copyItem(at: run.folder.appendingPathComponent("emulator.h5"), to: emulator)
    let alone = try program.run("serve-emulator", emulator.path)
    #expect(alone.code == 1 && alone.errors.contains("name a file of it by --structure"), "\(alone.errors)")
    let pdb = Package.alanine.appendingPathComponent("alanine.pdb").path
    #expect(try program.run("serve-emulator", emulator.path, "--structure", pdb).code == 0)
    let other = Package.root.appendingPathComponent("datasets/dipeptides/AC/topology.pdb").path
    let refused = try program.run("serve-emulator", emulator.path, "--structure", other)
    #expect(
      refused.code == 1 && refused.errors.contains("the emulator is one of a molecule with 22"), "\(refused.errors)")
  }
}

/// A short run, whose folder stays as long as the process.
private final class EmulatorRun {
  let folder: URL
  private let program: Program

  init() throws {
    program = try Program()
    let alanine = Package.alanine.path
    try program.write(
      """
      name: short
      seed: 1
      temperature: 310
      system:
        topology: \(alanine)/alanine.pdb
        forcefield: \(alanine)/system.xml
        torsions: { phi: [4, 6, 8, 14] }
        state: { torsion: phi, from: 0, to: 2 }
      stages:
        frames:   { uses: ingest, trajectory: [\(alanine)/alanine-left.nc, \(alanine)/alanine-beta.nc], stride: 10 }
        emulator: { uses: emulator, frames: frames, network: { width: 32, depth: 1 }, training: { steps: 150, batch: 128 } }
        traced:   { uses: sample, emulator: emulator, count: 70, batch: 32 }
        exact:    { uses: sample, emulator: emulator, count: 70, batch: 32, log_density: exact-trace }
        positions: { uses: emulator, frames: frames, coordinates: cartesian, network: { layers: 1, scalars: 6, vectors: 3 }, training: { steps: 5, batch: 12 } }
        weighted: { uses: reweight, samples: exact, density: exact-trace }
      """, to: "short.yaml")
    let done = try program.run("run", "short.yaml", "--only", "frames,emulator,positions,traced,exact")
    guard done.code == 0 else { throw Failed(reason: done.errors) }
    folder = program.folder.appendingPathComponent("runs/short")
  }

  struct Failed: Error { let reason: String }

  func artifact(_ stage: String) throws -> Artifact {
    try Artifact.open(folder.appendingPathComponent("\(stage).h5"), verify: true)
  }
}

/// The worker, and messages to it as any program may write them.
private final class EmulatorWorker {
  typealias Answer = (header: [String: Any], arrays: [String: [Double]])
  private let process = Process()
  private let (to, back) = (Pipe(), Pipe())

  init(_ run: EmulatorRun, of stage: String = "emulator") throws {
    signal(SIGPIPE, SIG_IGN)
    process.executableURL = try Program.executable()
    process.arguments = ["serve-emulator", run.folder.appendingPathComponent("\(stage).h5").path]
    (process.standardInput, process.standardOutput) = (to, back)
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

  func ask(_ header: [String: Any], _ arrays: [[Double]] = []) throws -> Answer {
    let numbers = arrays.reduce(into: Data()) { data, array in array.withUnsafeBytes { data += Data($0) } }
    return try send(lengths: nil, JSONSerialization.data(withJSONObject: header), numbers)
  }

  func send(lengths: (UInt64, UInt64)?, _ header: Data, _ numbers: Data) throws -> Answer {
    write(lengths: lengths, header, numbers)
    return try answer()
  }

  func write(lengths: (UInt64, UInt64)?, _ header: Data, _ numbers: Data) {
    let lengths = lengths ?? (UInt64(header.count), UInt64(numbers.count))
    let sizes = [lengths.0.littleEndian, lengths.1.littleEndian].withUnsafeBytes { Data($0) }
    write(sizes + header + numbers)
  }

  /// The worker may have ended already.
  func write(_ data: Data) { try? to.fileHandleForWriting.write(contentsOf: data) }
  func closeInput() { try? to.fileHandleForWriting.close() }

  func answer() throws -> Answer {
    let sizes = try read(16).withUnsafeBytes { bytes in
      (0..<2).map { Int(bytes.load(fromByteOffset: 8 * $0, as: UInt64.self)) }
    }
    let header = try #require(try JSONSerialization.jsonObject(with: read(sizes[0])) as? [String: Any])
    var arrays: [String: [Double]] = [:]
    for head in header["arrays"] as? [[String: Any]] ?? [] {
      let shape = try #require(head["shape"] as? [Int])
      let data = try read(8 * shape.reduce(1, *))
      arrays[try #require(head["name"] as? String)] = data.withUnsafeBytes { bytes in
        (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
      }
    }
    #expect(sizes[1] == 8 * arrays.values.reduce(0) { $0 + $1.count })
    return (header, arrays)
  }

  private func read(_ count: Int) throws -> Data {
    var data = Data()
    while data.count < count {
      let piece = try #require(try back.fileHandleForReading.read(upToCount: count - data.count))
      try #require(!piece.isEmpty)
      data += piece
    }
    return data
  }

  /// Closes its input; its exit code, or minus the signal.
  func end() throws -> Int32 {
    closeInput()
    _ = try back.fileHandleForReading.readToEnd()
    process.waitUntilExit()
    return process.terminationReason == .uncaughtSignal ? -process.terminationStatus : process.terminationStatus
  }
}
