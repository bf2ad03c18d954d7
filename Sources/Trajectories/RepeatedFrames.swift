import Foundation

/// Frames of some files that stand for times which frames before them have already, or that are the same frames again.
public struct RepeatedFrames: Equatable, CustomStringConvertible {
  public struct Stretch: Equatable {
    public let file: String
    /// Indices in the file.
    public let first, last: Int

    public init(file: String, first: Int, last: Int) { (self.file, self.first, self.last) = (file, first, last) }
  }

  public let earlier, later: Stretch
  /// Of the first and the last frame that are there twice, ps; nil where the frames themselves are the same, whatever their times.
  public let times: ClosedRange<Double>?
  /// Whether the first of the later frames is farther from those of its time than frames are that follow each other: then the two are runs
  /// of their own rather than one that goes on from the other.
  public var isOfRunsOfTheirOwn = false

  public init(earlier: Stretch, later: Stretch, times: ClosedRange<Double>?) {
    (self.earlier, self.later, self.times) = (earlier, later, times)
  }

  public var description: String {
    func text(_ stretch: Stretch) -> String {
      stretch.first == stretch.last ? "frame \(stretch.first)" : "frames \(stretch.first) to \(stretch.last)"
    }
    let isOneFile = earlier.file == later.file
    let first = isOneFile ? text(earlier) : "\(text(earlier)) of \(earlier.file)"
    guard let times else { return "\(later.file): \(text(later)) are the same as \(first): they count twice" }
    let span =
      times.lowerBound == times.upperBound
      ? "\(times.lowerBound) ps" : "\(times.lowerBound) to \(times.upperBound) ps"
    let said = "\(later.file): the times of \(text(later)) (\(span)) are those of \(first) too"
    if isOfRunsOfTheirOwn {
      return said
        + ", and the frames differ more than frames that follow each other do: they are taken for runs of their own"
    }
    return
      said + ": if the later ones go on from a restart, "
      + "that piece of the trajectory counts twice"
  }
}

/// Frames that were taken of one file, in their order.
public struct TimedFrames {
  public let file: String
  /// Indices in the file.
  public let frames: [Int]
  /// ps; nil where the file tells none.
  public let times: [Double]?

  public init(file: String, frames: [Int], times: [Double]?) {
    (self.file, self.frames, self.times) = (file, frames, times)
  }
}

extension RepeatedFrames {
  /// Finds what stands twice in files that are read one after the other.
  ///
  /// A stretch is a piece of a file in which times grow. A stretch that begins later than the one before it began, and no later than that
  /// one ends, is what a restart leaves behind. One that begins where the one before began, or earlier, is taken for a run of its own,
  /// unless its first and last frames are the same as another's. `fingerprint` tells frames (file, frame) apart by their coordinates.
  /// `distance` is how far two frames, given by file and index, are from each other, whatever their places in space.
  public static func find(
    _ files: [TimedFrames], fingerprint: (_ file: Int, _ frame: Int) throws -> Int,
    distance: (_ one: (file: Int, frame: Int), _ other: (file: Int, frame: Int)) throws -> Double
  ) rethrows -> [RepeatedFrames] {
    var found: [RepeatedFrames] = []
    var previous: (file: Int, positions: Range<Int>)?
    var seen: [[Int]: Stretch] = [:]
    for (number, file) in files.enumerated() {
      for positions in stretches(file) {
        let stretch = file.stretch(positions)
        if var repeated = overlap(files, previous, number, positions) {
          if let previous {
            repeated.isOfRunsOfTheirOwn = try areApart(
              files, previous, (number, positions.lowerBound), distance: distance)
          }
          found.append(repeated)
        } else if positions.count > 1 {
          let key = [
            try fingerprint(number, stretch.first), try fingerprint(number, stretch.last), stretch.last - stretch.first,
          ]
          if let other = seen[key] {
            found.append(RepeatedFrames(earlier: other, later: stretch, times: nil))
          } else {
            seen[key] = stretch
          }
        }
        previous = (number, positions)
      }
    }
    return found
  }

  /// Without distances; nothing is then said of runs of their own.
  public static func find(
    _ files: [TimedFrames], fingerprint: (_ file: Int, _ frame: Int) throws -> Int
  ) rethrows -> [RepeatedFrames] {
    try find(files, fingerprint: fingerprint, distance: { _, _ in 0 })
  }

  private static func stretches(_ file: TimedFrames) -> [Range<Int>] {
    guard let times = file.times else { return file.frames.isEmpty ? [] : [0..<file.frames.count] }
    var pieces: [Range<Int>] = []
    var begin = 0
    for position in times.indices.dropFirst() where times[position] <= times[position - 1] {
      pieces.append(begin..<position)
      begin = position
    }
    return times.isEmpty ? [] : pieces + [begin..<times.count]
  }

  /// Whether the frame at `later` is farther from the frames about its time, of the stretch before, than any of some that follow each other
  /// there.
  private static func areApart(
    _ files: [TimedFrames], _ before: (file: Int, positions: Range<Int>), _ later: (file: Int, position: Int),
    distance: ((file: Int, frame: Int), (file: Int, frame: Int)) throws -> Double
  ) rethrows -> Bool {
    guard let times = files[before.file].times, let start = files[later.file].times?[later.position],
      before.positions.count > Self.fewestSteps
    else { return false }
    func frame(_ position: Int) -> (file: Int, frame: Int) { (before.file, files[before.file].frames[position]) }
    let own = (later.file, files[later.file].frames[later.position])
    let place = before.positions.first { times[$0] >= start } ?? before.positions.upperBound - 1
    let near = max(before.positions.lowerBound, place - 2)...min(before.positions.upperBound - 1, place + 2)
    var nearest = Double.infinity
    for position in near { nearest = min(nearest, try distance(own, frame(position))) }
    let stride = max(1, (before.positions.count - 1) / Self.mostSteps)
    for position in Swift.stride(from: before.positions.lowerBound, to: before.positions.upperBound - 1, by: stride)
    where try distance(frame(position), frame(position + 1)) >= nearest { return false }
    return true
  }

  /// Of pairs of frames that follow each other.
  private static let (fewestSteps, mostSteps) = (10, 40)

  private static func overlap(
    _ files: [TimedFrames], _ previous: (file: Int, positions: Range<Int>)?, _ number: Int, _ positions: Range<Int>
  ) -> RepeatedFrames? {
    guard let previous, let before = files[previous.file].times, let times = files[number].times else { return nil }
    let (begin, end) = (before[previous.positions.lowerBound], before[previous.positions.upperBound - 1])
    let start = times[positions.lowerBound]
    guard start > begin, start <= end else { return nil }
    let first = previous.positions.first { before[$0] >= start } ?? previous.positions.upperBound - 1
    let last = positions.last { times[$0] <= end } ?? positions.lowerBound
    return RepeatedFrames(
      earlier: files[previous.file].stretch(first..<previous.positions.upperBound),
      later: files[number].stretch(positions.lowerBound..<(last + 1)), times: start...times[last])
  }
}

extension TimedFrames {
  fileprivate func stretch(_ positions: Range<Int>) -> RepeatedFrames.Stretch {
    RepeatedFrames.Stretch(file: file, first: frames[positions.lowerBound], last: frames[positions.upperBound - 1])
  }
}
