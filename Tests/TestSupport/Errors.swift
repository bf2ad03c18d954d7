import Testing

/// Expects an error whose text holds all of these words.
public func expectError<T>(
  saying words: String..., sourceLocation: SourceLocation = #_sourceLocation, from body: () throws -> T
) {
  do {
    _ = try body()
    Issue.record("no error was thrown", sourceLocation: sourceLocation)
  } catch {
    let text = "\(error)"
    for word in words { #expect(text.contains(word), sourceLocation: sourceLocation) }
  }
}
