import ArgumentParser
import Basics
import Foundation
import Stages
import Workflow

/// Draws and densities of an emulator for a program that has started this one, over the standard input and output.
struct ServeEmulatorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve-emulator", abstract: "Answer requests for samples and log-densities of an emulator.",
    shouldDisplay: false)

  @Argument var artifact: String
  @Option var structure: String?
  @Option var threads: Int?

  func validate() throws {
    if let threads, !(1...4096).contains(threads) { throw ValidationError("--threads must be 1 to 4096") }
  }

  func run() throws {
    let parent = getppid()
    ProcessEnvironment.prepare()
    let channel = try MessageChannel.standard()
    let sampler = try EmulatorSampler(
      URL(fileURLWithPath: artifact), structure: structure.map { URL(fileURLWithPath: $0) },
      threads: threads ?? AllowedCores.count)
    let server = EmulatorServer(sampler: sampler, parent: parent)
    while true {
      do {
        guard let message = try channel.next() else { return }
        let answer: EmulatorServer.Answer
        do { answer = try server.answer(message) } catch let gone as EmulatorServer.ParentGone { throw gone } catch {
          try channel.send(EmulatorServer.refusal(error))
          continue
        }
        try channel.send(answer.header, answer.arrays)
      } catch is EmulatorServer.ParentGone {
        return
      } catch let error as MessageError {
        try channel.send(EmulatorServer.refusal(error).with("ends", true))
        throw ExitCode(2)
      }
    }
  }
}

/// What each request is answered with.
struct EmulatorServer {
  /// Whoever started the program has ended: nobody waits for an answer.
  struct ParentGone: Error {}

  struct Answer {
    var header: ParameterValue
    var arrays: [[Double]] = []

    init(_ header: ParameterValue, _ arrays: [(name: String, values: [Double], shape: [Int])] = []) {
      let heads = arrays.map { array -> ParameterValue in
        ["name": .string(array.name), "shape": .list(array.shape.map { .integer($0) })]
      }
      (self.header, self.arrays) = (header.with("arrays", .list(heads)), arrays.map(\.values))
    }
  }

  private struct Request: Decodable {
    struct ArrayHead: Decodable {
      let name: String
      let shape: [Int]
    }
    let request: String
    let seed: UInt64?
    let options: [String: ParameterValue]?
    let arrays: [ArrayHead]?
  }

  let sampler: EmulatorSampler
  let parent: pid_t

  private static let (describe, sample, logDensity) = ("describe", "sample", "log_prob")

  static func refusal(_ error: any Error) -> ParameterValue {
    ["error": ["type": .string("\(type(of: error))"), "message": .string("\(error)")], "arrays": []]
  }

  /// Throws `MessageError` for requests that are none, and what `EmulatorSampler` throws.
  func answer(_ message: MessageChannel.Message) throws -> Answer {
    let request: Request
    do { request = try JSONDecoder().decode(Request.self, from: message.header) } catch {
      throw MessageError.notJSON("\(error)")
    }
    let (options, seed) = (request.options ?? [:], request.seed ?? 0)
    func given(_ names: [String]) throws -> [String: [Double]] {
      try arrays(request.arrays ?? [], message.numbers, names)
    }
    switch request.request {
    case Self.describe:
      _ = try given([])
      return Answer(sampler.summary)
    case Self.sample:
      _ = try given([])
      let draws = try sampler.draw(
        options, seed: seed, limit: MessageChannel.numbersLimit / 8, progress: stayWithParent)
      let count = draws.coordinates.count / (3 * sampler.atoms)
      let densities = draws.logDensity.map { [("log_density", $0, [count])] } ?? []
      return Answer(
        ["lost": .integer(draws.lost)],
        [
          ("coordinates", draws.coordinates, [count, sampler.atoms, 3]),
          ("prior", draws.prior, [count, sampler.dimension]),
        ]
          + densities)
    case Self.logDensity:
      let arrays = try given(["coordinates", "prior"])
      guard let coordinates = arrays["coordinates"] else {
        throw MessageError.arrays(arrays.keys.sorted(), known: ["coordinates"])
      }
      let count = coordinates.count / (3 * sampler.atoms)
      if let prior = arrays["prior"], prior.count != count * sampler.dimension {
        throw MessageError.shape(
          "prior", found: [prior.count / sampler.dimension, sampler.dimension],
          expected: "[\(count), \(sampler.dimension)], a row for each sample,")
      }
      let values = try sampler.logDensity(
        of: coordinates, from: arrays["prior"], options, seed: seed, progress: stayWithParent)
      return Answer([:], [("log_density", values, [count])])
    default:
      throw MessageError.unknownRequest(request.request, known: [Self.describe, Self.sample, Self.logDensity])
    }
  }

  private func stayWithParent() throws { if getppid() != parent { throw ParentGone() } }

  /// The arrays of a message by name, of the shapes that they must have.
  private func arrays(
    _ heads: [Request.ArrayHead], _ numbers: Data, _ known: [String]
  ) throws -> [String: [Double]] {
    guard Set(heads.map(\.name)).count == heads.count, heads.allSatisfy({ known.contains($0.name) }) else {
      throw MessageError.arrays(heads.map { "'\($0.name.prefix(40))'" }, known: known.isEmpty ? ["none"] : known)
    }
    var (found, place) = ([String: [Double]](), 0)
    for head in heads {
      let row = head.name == "prior" ? [sampler.dimension] : [sampler.atoms, 3]
      let most = MessageChannel.numbersLimit / (8 * row.reduce(1, *))
      guard head.shape.count == 1 + row.count, Array(head.shape.dropFirst()) == row, (0...most).contains(head.shape[0])
      else {
        let expected = "[samples" + row.map { ", \($0)" }.joined() + "]"
        throw MessageError.shape(head.name, found: Array(head.shape.prefix(8)), expected: expected)
      }
      let size = 8 * head.shape.reduce(1, *)
      guard place + size <= numbers.count else {
        throw MessageError.numbers(bytes: numbers.count, expected: place + size)
      }
      found[head.name] = numbers.withUnsafeBytes { bytes in
        (0..<size / 8).map {
          Double(bitPattern: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place + 8 * $0, as: UInt64.self)))
        }
      }
      place += size
    }
    guard place == numbers.count else { throw MessageError.numbers(bytes: numbers.count, expected: place) }
    return found
  }
}
