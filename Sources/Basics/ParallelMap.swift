import Foundation

/// `body` for 0..<count on the machine's cores; results in order.
public func parallelMap<T>(_ count: Int, _ body: @escaping (Int) -> T) -> [T] {
  var results = [T?](repeating: nil, count: count)
  results.withUnsafeMutableBufferPointer { buffer in
    nonisolated(unsafe) let target = buffer
    nonisolated(unsafe) let work = body
    DispatchQueue.concurrentPerform(iterations: count) { target[$0] = work($0) }
  }
  return results.compactMap { $0 }
}
