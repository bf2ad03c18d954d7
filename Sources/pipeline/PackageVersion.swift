/// The version of this package: `CITATION.cff` and `CHANGELOG.md` say the same, and a test holds them against it. Keys do not depend on it.
enum PackageVersion {
  static let current = "0.1.0"
}
