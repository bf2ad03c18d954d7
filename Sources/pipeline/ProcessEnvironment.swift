import Foundation

/// The environment that the numeric libraries need, set without the user having to know it.
enum ProcessEnvironment {
  /// OpenMP threads that wait must not spin: two of them on a busy machine spin for each other. OpenMP reads its settings
  /// when its library is loaded, which is before `main`, so the program starts itself once more with them set. Call it
  /// before anything is open or running. What the user has set stays.
  static func prepare() {
    let marker = "BOLTZMILL_PREPARED"
    guard getenv(marker) == nil, getenv("OMP_WAIT_POLICY") == nil else { return }
    setenv(marker, "1", 1)
    setenv("OMP_WAIT_POLICY", "passive", 1)
    let arguments = CommandLine.arguments.map { strdup($0) } + [nil]
    execv("/proc/self/exe", arguments)
    // the program cannot be started again (no /proc): it works as it is, only slower on a busy machine
    for argument in arguments { free(argument) }
  }
}
