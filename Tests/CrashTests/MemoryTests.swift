import Artifacts
import Foundation
import TestSupport
import Testing
import Torch

/// What is used again and again gives back what it took: each in a process of its own, whose memory is compared before and after.
@Suite(.tags(.slow)) struct MemoryTests {
  @Test func tenThousandTensorOperations() async {
    await #expect(processExitsWith: .success) {
      try Torch.Runtime.initialize(threads: 1)
      func work(_ operations: Int) throws {
        let generator = try Generator(seed: 1)
        let weights = try generator.normal([32, 32]).requiringGradient()
        for _ in 0..<operations / 8 {
          let x = try generator.normal([32, 32])
          let y = try (x.matmul(weights) + x).tanh() * 2
          let loss = try (y * y).mean()
          _ = try loss.gradients(of: [weights])
          // errors cost nothing either
          _ = try? x.matmul(generator.normal([31, 2]))
          _ = try loss.item()
        }
      }
      try work(2000)
      let before = residentBytes()
      try work(10_000)
      let after = residentBytes()
      print("memory: 10,000 tensor operations: \(before >> 10) -> \(after >> 10) KiB")
      #expect(Double(after) <= 1.01 * Double(before))
    }
  }

  @Test func aThousandArtifacts() async {
    await #expect(processExitsWith: .success) {
      let folder = FileManager.default.temporaryDirectory.appendingPathComponent("memory-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: folder) }
      let url = folder.appendingPathComponent("a.h5")
      let bad = folder.appendingPathComponent("bad.h5")
      func write(_ url: URL) throws {
        let writer = try ArtifactWriter(url: url)
        try writer.write("x", (0..<20_000).map { Double($0).squareRoot() }, shape: [2000, 10], units: "nm")
        try writer.write("names", strings: ["phi", "psi"])
        try writer.commit(
          provenance: Provenance(
            key: "k", canonical: "{}", stage: "s", stageType: "t", stageVersion: 1, seed: 1, start: Date(), end: Date(),
            wallSeconds: 0))
      }
      try write(url)
      try Data(try Data(contentsOf: url).dropLast(100)).write(to: bad)
      func work(_ count: Int) throws {
        for index in 0..<count {
          let artifact = try Artifact.open(url, verify: true)
          _ = try artifact.read("x", as: Double.self)
          _ = try artifact.attribute("x", "units")
          _ = try? Artifact.open(bad, verify: true)
          if index % 50 == 0 { try write(folder.appendingPathComponent("b.h5")) }
        }
      }
      func handles() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
      try work(300)
      let before = (residentBytes(), try handles())
      try work(1000)
      let after = (residentBytes(), try handles())
      print(
        "memory: 1,000 artifacts: \(before.0 >> 10) -> \(after.0 >> 10) KiB, \(before.1) -> \(after.1) file handles")
      #expect(Double(after.0) <= 1.01 * Double(before.0))
      #expect(after.1 == before.1)
    }
  }
}

/// What this process keeps in memory, from the kernel. Bytes.
private func residentBytes() -> Int {
  let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
  return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
}
