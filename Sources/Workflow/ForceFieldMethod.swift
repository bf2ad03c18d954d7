import Foundation

/// A way to energies that `system.forcefield` may name instead of a file: as a bare word, or as a group
/// `{ method: NAME, ... }` with parameters of its own. The engine is handed these with the stage types; it knows none itself.
public struct ForceFieldMethod: Sendable {
  /// The bare word, and the value of `method`.
  public let name: String
  /// One line for help and schema.
  public let summary: String
  public let parameters: [ParameterField]

  public init(_ name: String, summary: String, parameters: [ParameterField]) {
    self.name = name
    self.summary = summary
    self.parameters = parameters
  }

  /// Nil for a method with a required parameter, which a bare word cannot give.
  var defaults: ParameterValue? { parameters.resolved(with: [:]) }
}

/// The method that a pipeline file names, with its parameters resolved.
public struct ForceFieldChoice: Equatable, Sendable {
  public let method: String
  /// Defaults filled in, paths absolute.
  public let values: ParameterValue

  public init(method: String, values: ParameterValue) {
    self.method = method
    self.values = values
  }

  /// The parameters as a type of the caller's own; `implicit_solvent` in the file is `implicitSolvent` in Swift.
  public func parameters<P: Decodable>(_ type: P.Type) throws -> P {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(values.canonicalJSON.utf8))
  }
}
