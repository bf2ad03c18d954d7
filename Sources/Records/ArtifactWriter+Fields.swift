import Artifacts
import Basics

extension ArtifactWriter {
  public func write<T>(_ field: Number<T>, _ value: T) throws { try writeScalar(field.path, value, units: field.unit) }

  /// `shape` is [values] where it is left out.
  public func write<T>(_ field: Numbers<T>, _ values: [T], shape: [Int]? = nil) throws {
    try write(
      field.path, values, shape: shape ?? [values.count], units: field.unit, dims: field.dims,
      compression: field.compression)
  }

  public func write<T>(_ field: Numbers<T>, _ array: NDArray<T>) throws {
    try write(field, array.values, shape: array.shape)
  }

  public func write(_ field: Text, _ text: String) throws { try write(field.path, string: text) }
  public func write(_ field: Texts, _ texts: [String]) throws { try write(field.path, strings: texts) }
  public func write(_ field: Measured, _ value: Double) throws {
    try writeMeasurement(field.path, value, units: field.unit)
  }
  public func write(_ field: Attribute, _ text: String) throws { try setAttribute(field.owner, field.name, text) }

  /// Several fields, in this order.
  public func write<each Written: WrittenField>(_ values: repeat (each Written, (each Written).Written)) throws {
    func write<F: WrittenField>(_ value: (F, F.Written)) throws { try value.0.write(value.1, to: self) }
    for value in repeat each values { try write(value) }
  }

  /// Makes an empty dataset that grows along its first axis by `append`.
  public func begin<T>(_ field: Numbers<T>, rowShape: [Int] = []) throws {
    try createAppendable(
      field.path, T.self, rowShape: rowShape, units: field.unit, dims: field.dims, compression: field.compression)
  }

  /// Adds whole rows.
  public func append<T>(_ field: Numbers<T>, _ rows: [T]) throws { try append(field.path, rows) }
}
