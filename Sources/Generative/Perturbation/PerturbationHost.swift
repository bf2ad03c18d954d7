import Basics

/// Who runs a perturbation: someone who hears how far it is, keeps what it saves, and says when to stop.
public protocol PerturbationHost: AnyObject {
  var progress: any ProgressReporting { get }
  func log(_ message: String)
  func warn(_ remark: Remark)
  func checkInterruption() throws
  /// The newest state that was kept; nil where there is none.
  func saved() throws -> Perturbation.State?
  /// Keeps a state where the time has come, or at once where it `isDue`; throws after that where someone asked to stop.
  func save(_ state: Perturbation.State, isDue: Bool) throws
  /// For a training that begins in this state: its checkpoints hold both.
  func trainingHost(_ state: Perturbation.State) -> any TrainingHost
}

extension PerturbationHost {
  func warn(_ message: String, _ gravity: Remark.Gravity = .warning, cure: String? = nil) {
    warn(Remark(message, gravity, cure: cure))
  }
}
