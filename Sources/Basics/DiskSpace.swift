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

  /// "3.2 GB", in powers of 1,000.
  public static func text(_ bytes: Double) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB"]
    var (value, unit) = (bytes, 0)
    while value >= 999.5, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
    return String(format: unit == 0 || value >= 99.5 ? "%.0f" : "%.1f", value) + " " + units[unit]
  }
}
