import Torch
import Workflow

extension StageContext {
  /// Gives LibTorch the stage's threads and the pipeline's device; to be called before the first tensor. Throws `NoGPUError` where
  /// the pipeline asks for a GPU and none is there.
  func prepareTorch() throws {
    let wanted: Runtime.Device? =
      switch device {
      case .auto: nil
      case .cpu: .cpu
      case .cuda: .cuda
      }
    try Runtime.initialize(threads: threads, device: wanted)
    usesDevice(Runtime.deviceName)
  }
}
