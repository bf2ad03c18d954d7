/// An error of a science module to which there is something to say for users of pipeline files.
protocol AdvisableError: Error {
  /// What follows the error's own text, with the punctuation between; nil: nothing.
  var advice: String? { get }
}

/// An error with what a user of pipeline files can do about it.
struct AdvisedError: Error, CustomStringConvertible {
  let error: any Error
  let advice: String

  var description: String { "\(error)\(advice)" }
}

/// Throws what `body` throws, with advice where there is some.
func withAdvice<Result>(_ body: () throws -> Result) throws -> Result {
  do {
    return try body()
  } catch let error as any AdvisableError {
    guard let advice = error.advice else { throw error }
    throw AdvisedError(error: error, advice: advice)
  }
}
