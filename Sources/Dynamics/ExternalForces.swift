import Dispatch

/// Forces that no OpenMM System has: those of a potential given as a function of positions, dear enough that a call of Swift does not
/// count. Two are equal where their names are.
public struct ExternalForces: Sendable, Equatable {
  /// kJ/mol and kJ/mol/nm, [atoms, 3], of one frame, nm, [atoms, 3]; a function of that frame alone, to the last bit. What it throws ends the
  /// dynamics; an energy that is not finite is taken for a walk that has become unstable.
  public typealias Evaluator = (_ positions: [Double]) throws -> (energy: Double, forces: [Double])

  /// What computes them, for people.
  public var name: String
  /// One evaluator for each thread, each used by one thread at a time.
  public var evaluators: @Sendable (_ threads: Int) throws -> [Evaluator]

  public init(name: String, evaluators: @escaping @Sendable (_ threads: Int) throws -> [Evaluator]) {
    (self.name, self.evaluators) = (name, evaluators)
  }

  public static func == (one: ExternalForces, other: ExternalForces) -> Bool { one.name == other.name }
}

/// External forces as the C dynamics calls them, with a count of what they cost. The pointer that it hands out lives as long as it does.
final class ExternalCalls: @unchecked Sendable {
  private struct Worker {
    let evaluate: ExternalForces.Evaluator
    var calls = 0
    var nanoseconds: UInt64 = 0
    var failure: (any Error)?
  }

  let name: String
  private let count: Int
  /// Each touched by one thread at a time, and by the caller's between calls.
  private let workers: UnsafeMutableBufferPointer<Worker>

  init(_ forces: ExternalForces, atoms: Int, threads: Int) throws {
    name = forces.name
    count = 3 * atoms
    let made = try forces.evaluators(max(1, threads)).map { Worker(evaluate: $0) }
    workers = .allocate(capacity: made.count)
    _ = workers.initialize(from: made)
  }

  deinit {
    workers.deinitialize()
    workers.deallocate()
  }

  var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

  /// s, the mean so far over all calls; nil before the first.
  var secondsPerCall: Double? {
    let calls = workers.reduce(0) { $0 + $1.calls }
    return calls > 0 ? Double(workers.reduce(0) { $0 + $1.nanoseconds }) / Double(calls) * 1e-9 : nil
  }

  /// Runs `body` and throws what an evaluator threw within it, in place of what the dynamics made of that.
  func watching<T>(_ body: () throws -> T) throws -> T {
    let result = Result { try body() }
    for index in workers.indices {
      guard let failure = workers[index].failure else { continue }
      workers[index].failure = nil
      throw failure
    }
    return try result.get()
  }

  func evaluate(
    _ index: Int, _ positions: UnsafePointer<Double>, _ forces: UnsafeMutablePointer<Double>
  ) -> Double {
    let out = UnsafeMutableBufferPointer(start: forces, count: count)
    // positions that have left the numbers, or an evaluator that has failed: nothing is asked any more
    let frame = Array(UnsafeBufferPointer(start: positions, count: count))
    guard workers.indices.contains(index), workers[index].failure == nil, frame.allSatisfy(\.isFinite) else {
      out.update(repeating: .nan)
      return .nan
    }
    let begin = DispatchTime.now().uptimeNanoseconds
    do {
      let found = try workers[index].evaluate(frame)
      workers[index].calls += 1
      workers[index].nanoseconds += DispatchTime.now().uptimeNanoseconds - begin
      guard found.energy.isFinite, found.forces.count == count else {
        out.update(repeating: .nan)
        return .nan
      }
      _ = out.update(from: found.forces)
      return found.energy
    } catch {
      workers[index].failure = error
      out.update(repeating: .nan)
      return .nan
    }
  }
}
