import Artifacts
import Basics

extension Artifact {
  public func has(_ field: some Field) -> Bool { exists(field.path) }

  /// Whether any member of the family may be there.
  public func has<Member>(_ family: Named<Member>) -> Bool { exists(family.group) }

  /// The names of a family's members; none where there is no such group.
  public func names<Member>(_ family: Named<Member>) throws -> [String] {
    exists(family.group) ? try list(family.group) : []
  }

  public func shape(_ field: some Field) throws -> [Int] { try shape(field.path) }

  public func read<T>(_ field: Number<T>) throws -> T { try scalar(field.path, as: T.self) }
  public func read(_ field: Measured) throws -> Double { try scalar(field.path, as: Double.self) }
  public func read(_ field: Text) throws -> String { try readString(field.path) }
  public func read(_ field: Texts) throws -> [String] { try readStrings(field.path) }

  /// Nil where the attribute, or what it is of, is not there.
  public func read(_ field: Attribute) throws -> String? {
    field.owner.isEmpty || exists(field.owner) ? try attribute(field.owner, field.name) : nil
  }

  public func read<T>(_ field: Numbers<T>) throws -> NDArray<T> { try read(field.path, as: T.self) }
  /// Converted; a value that `U` cannot hold is an error.
  public func read<T, U: ArtifactScalar>(_ field: Numbers<T>, as _: U.Type) throws -> NDArray<U> {
    try read(field.path, as: U.self)
  }
  /// The given rows.
  public func read<T>(_ field: Numbers<T>, rows: Range<Int>) throws -> NDArray<T> {
    try read(field.path, as: T.self, rows: rows)
  }
  public func read<T, U: ArtifactScalar>(_ field: Numbers<T>, as _: U.Type, rows: Range<Int>) throws -> NDArray<U> {
    try read(field.path, as: U.self, rows: rows)
  }

  /// Nil where the dataset is not there.
  public func readIfThere<T>(_ field: Number<T>) throws -> T? { has(field) ? try read(field) : nil }
  public func readIfThere(_ field: Measured) throws -> Double? { has(field) ? try read(field) : nil }
  public func readIfThere<T>(_ field: Numbers<T>) throws -> NDArray<T>? { has(field) ? try read(field) : nil }
  public func readIfThere(_ field: Text) throws -> String? { has(field) ? try read(field) : nil }
  public func readIfThere(_ field: Texts) throws -> [String]? { has(field) ? try read(field) : nil }
}
