import Basics
import Foundation
import OpenMM
import Torch

/// The version of this package: `CITATION.cff` and `CHANGELOG.md` say the same, and a test holds them against it. Keys do not depend on it.
enum PackageVersion {
  static let current = "0.1.0"

  /// "boltzmill 0.1.0 (commit 1a2b3c4; LibTorch 2.15.0, OpenMM 8.6.1)"; the commit is that of the wheel, or of the checkout as it is now.
  static var text: String {
    let commit = Installation.current?.commit.map { "commit \($0); " } ?? ""
    return "boltzmill \(current) (\(commit)LibTorch \(Torch.Runtime.version), OpenMM \(OpenMMLibrary.version))"
  }
}
