import Foundation

/// Room on disks.
public enum DiskSpace {
  /// Bytes that this user may still write in `folder`, or in the nearest folder above that is there; nil where nobody can tell.
  public static func free(in folder: URL) -> Double? {
    var folder = folder.standardizedFileURL
    while !FileManager.default.fileExists(atPath: folder.path), folder.path != "/" {
      folder = folder.deletingLastPathComponent()
    }
    var status = statvfs()
    guard statvfs(folder.path, &status) == 0 else { return nil }
    return Double(status.f_bavail) * Double(status.f_frsize)
  }
}
