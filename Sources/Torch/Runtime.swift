import Basics
import CTorch
import Foundation

/// A failure inside LibTorch: which operation, and LibTorch's own message (shapes, types, memory).
public struct TorchError: Error, CustomStringConvertible, Equatable {
  public let operation: String
  public let reason: String

  package init(operation: String, reason: String) {
    self.operation = operation
    self.reason = reason
  }

  public var description: String { "LibTorch, \(operation): \(reason)" }
}

/// A GPU was asked for and there is none that LibTorch can use.
public struct NoGPUError: Error, CustomStringConvertible, Equatable {
  public let reason: String

  public var description: String {
    "device: cuda, but LibTorch finds no GPU here (\(reason)); use device: cpu or auto, or install its CUDA libraries with "
      + "./bootstrap --cuda"
  }
}

/// Process-wide settings of LibTorch.
public enum Runtime {
  /// Where tensors live and operations run.
  public enum Device: Sendable { case cpu, cuda }

  /// Version of the LibTorch headers, "2.15.0".
  public static var version: String { String(cString: bm_torch_version()) }

  /// Loads LibTorch's CUDA libraries if they are there.
  public static var cudaIsAvailable: Bool { bm_torch_cuda_count() > 0 }

  public static var device: Device { bm_torch_uses_cuda() ? .cuda : .cpu }

  /// "cpu", or "cuda: NVIDIA H100 80GB HBM3" (no name where the driver's files do not give it).
  public static var deviceName: String { device == .cuda ? cudaName : "cpu" }

  private static var cudaName: String { gpuName.map { "cuda: \($0)" } ?? "cuda" }

  /// What `device: auto` would choose, and why not a GPU.
  public static var deviceSummary: String {
    cudaIsAvailable ? cudaName : "cpu (no GPU: \(String(cString: bm_torch_last_error())))"
  }

  /// Of the first GPU, by the files of NVIDIA's driver.
  static var gpuName: String? {
    let folder = "/proc/driver/nvidia/gpus"
    let gpus = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    guard let first = gpus.first,
      let text = try? String(contentsOfFile: "\(folder)/\(first)/information", encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Model:") })
    else { return nil }
    return line.dropFirst("Model:".count).trimmingCharacters(in: .whitespaces)
  }

  /// Call once before the first tensor: chooses the device (nil: a GPU if there is one), sets the number of threads inside one
  /// operation, makes operations deterministic and keeps freed memory in the process. Throws `NoGPUError` where a GPU is asked for
  /// and none is there.
  public static func initialize(threads: Int, device: Device? = .cpu) throws {
    try check("initialize", bm_torch_initialize(Int32(clamping: max(1, threads))))
    lock.withLock { asked = max(1, threads) }
    let cuda = device == .cuda || (device == nil && cudaIsAvailable)
    guard !cuda || cudaIsAvailable else { throw NoGPUError(reason: String(cString: bm_torch_last_error())) }
    try check("choose the device", bm_torch_use_cuda(cuda))
  }

  /// `body` for 0..<count; results in order, and the error of the first that throws. On a CPU as many run side by side as an operation may take
  /// threads, each with one thread inside its operations: small operations gain little from more, and what comes out does not
  /// depend on how many there are. On a GPU one runs after another. Calls must not share what they change.
  public static func sideBySide<T>(_ count: Int, _ body: @escaping (Int) throws -> T) throws -> [T] {
    guard device == .cpu else { return try (0..<count).map(body) }
    let threads = Int(bm_torch_threads())
    try check("set threads", bm_torch_set_threads(1))
    // as many as were asked for last, also where that was while these ran
    defer { _ = bm_torch_set_threads(Int32(clamping: lock.withLock { asked } ?? threads)) }
    return try stride(from: 0, to: count, by: threads).flatMap { first in
      try parallelMap(min(threads, count - first)) { place in
        Result {
          try check("set threads", bm_torch_set_threads(1))
          return try body(first + place)
        }
      }.map { try $0.get() }
    }
  }

  private static let lock = NSLock()
  nonisolated(unsafe) private static var asked: Int?  // By `initialize`; under the lock

  /// Threads inside one operation.
  public static var threads: Int { Int(bm_torch_threads()) }

  /// Waits until the device has done what it was given.
  public static func synchronize() throws { try check("synchronize", bm_torch_synchronize()) }
}

/// Runs `body` without recording gradients; restores the previous mode however it ends.
public func withoutGradients<Result>(_ body: () throws -> Result) rethrows -> Result { try recording(false, body) }

/// Runs `body` with gradient recording on, also inside `withoutGradients`.
public func withGradients<Result>(_ body: () throws -> Result) rethrows -> Result { try recording(true, body) }

private func recording<Result>(_ on: Bool, _ body: () throws -> Result) rethrows -> Result {
  let before = bm_grad_enabled()
  bm_set_grad_enabled(on)
  defer { bm_set_grad_enabled(before) }
  return try body()
}

/// The one gate for status codes of the C layer.
package func check(_ operation: String, _ status: Int32) throws {
  if status != 0 { throw TorchError(operation: operation, reason: String(cString: bm_torch_last_error())) }
}

/// Calls a C function that makes one tensor. `operands` are what the call reads through their pointers: the optimiser may
/// release a Swift value right after its pointer was taken, so they are kept alive until the call is over.
func make<Operands>(
  _ operation: String, keeping operands: Operands, _ body: (UnsafeMutablePointer<OpaquePointer?>) -> Int32
) throws -> Tensor {
  var out: OpaquePointer?
  let status = withExtendedLifetime(operands) { body(&out) }
  try check(operation, status)
  guard let pointer = out else { throw TorchError(operation: operation, reason: "no tensor was returned") }
  return Tensor(owning: pointer)
}

/// Calls a C function that makes one tensor out of plain values.
func make(_ operation: String, _ body: (UnsafeMutablePointer<OpaquePointer?>) -> Int32) throws -> Tensor {
  try make(operation, keeping: (), body)
}
