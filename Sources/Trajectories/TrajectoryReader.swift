import Foundation
import Molecules

/// Frames of one molecule in time order, opened and checked. They are read by range, so memory does not depend on their number.
public protocol TrajectoryReader {
  /// What messages call it.
  var url: URL { get }
  /// At least 1.
  var frameCount: Int { get }
  var atomCount: Int { get }
  /// Whether every frame has a time.
  var hasTimes: Bool { get }
  /// Departures from the format that do not change the meaning of the coordinates, a sentence each.
  var warnings: [String] { get }
  /// Coordinates of a range of frames, [frames, atoms, 3], nm, as the file has them: see `FramePreparation`.
  ///
  /// Throws `TrajectoryError.frameRange` beyond the last frame.
  func readFrames(_ range: Range<Int>) throws -> [Double]
  /// Times of a range of frames, ps; nil when there are none.
  func readTimes(_ range: Range<Int>) throws -> [Double]?
  /// Boxes of a range of frames; nil when there are none.
  func readCells(_ range: Range<Int>) throws -> [UnitCell]?
  /// Temperatures that a range of frames was simulated at, K, where the file tells one for each frame; else nil.
  func readTemperatures(_ range: Range<Int>) throws -> [Double]?
}

extension TrajectoryReader {
  public var warnings: [String] { [] }
  public func readCells(_ range: Range<Int>) throws -> [UnitCell]? { nil }
  public func readTemperatures(_ range: Range<Int>) throws -> [Double]? { nil }
}

extension TrajectoryReader {
  /// Reads all there is, piece by piece, and keeps nothing: whether a library can read a file shows only so.
  func readEverything() throws {
    let step = max(1, (4 << 20) / max(1, 24 * atomCount))
    for start in stride(from: 0, to: frameCount, by: step) {
      let frames = start..<min(frameCount, start + step)
      _ = try readFrames(frames)
      _ = try readTimes(frames)
      _ = try readCells(frames)
    }
  }
}

/// A trajectory that is being written, frame after frame.
public protocol TrajectoryWriter {
  /// Adds frames: coordinates [frames, atoms, 3] in nm, times in ps, and one box each if the file has boxes.
  func append(_ coordinates: [Double], times: [Double], cells: [UnitCell]?) throws
  /// Writes everything out; nothing can be added afterwards.
  func close() throws
}

/// The frames first, first + stride, ... up to last of a trajectory. A position counts the frames of the selection from 0; an index is
/// the frame's own in the trajectory.
public struct FrameSelection: Equatable, Sendable {
  public let first, last, stride: Int

  /// How many frames are selected.
  public var count: Int { (last - first) / stride + 1 }
  /// The index of the frame at a position.
  public subscript(position: Int) -> Int { first + position * stride }
}

/// Some frames of a trajectory.
public struct TrajectoryFrames: Equatable, Sendable {
  public let atomCount: Int
  /// Of each frame in its trajectory, from 0.
  public var indices: [Int] = []
  /// [frames, atoms, 3], nm.
  public var coordinates: [Double] = []
  /// ps, [frames]; empty when there are none.
  public var times: [Double] = []
  /// [frames]; empty when there are none.
  public var cells: [UnitCell] = []

  public init(atomCount: Int) { self.atomCount = atomCount }
}

extension TrajectoryReader {
  /// Every `stride`-th frame from `first` to `last` (the trajectory's last if nil), both counted from 0.
  ///
  /// Throws `TrajectoryError.selection` where these are not frames of the trajectory.
  /// - Precondition: `stride` is positive.
  public func selection(first: Int = 0, last: Int? = nil, stride: Int = 1) throws -> FrameSelection {
    let end = last ?? frameCount - 1
    guard first >= 0, first <= end, end < frameCount
    else { throw TrajectoryError.selection(file: url.path, first: first, last: end, available: frameCount) }
    return FrameSelection(first: first, last: end, stride: stride)
  }

  /// Reads frames of a selection, those at `positions` or all.
  public func frames(_ selection: FrameSelection, _ positions: Range<Int>? = nil) throws -> TrajectoryFrames {
    let positions = positions ?? 0..<selection.count
    var frames = TrajectoryFrames(atomCount: atomCount)
    // Close frames are read in one piece and picked from it, distant ones each by itself.
    if selection.stride > 4 {
      for position in positions {
        let index = selection[position]
        try frames.append(self, index..<(index + 1), picking: 1)
      }
    } else if !positions.isEmpty {
      let span = selection[positions.lowerBound]..<(selection[positions.upperBound - 1] + 1)
      try frames.append(self, span, picking: selection.stride)
    }
    return frames
  }
}

extension TrajectoryReader {
  /// Temperatures of the frames of a selection, K; nil where the file tells none.
  public func temperatures(_ selection: FrameSelection, _ positions: Range<Int>? = nil) throws -> [Double]? {
    try values(selection, positions ?? 0..<selection.count) { try readTemperatures($0) }
  }

  /// Times of the frames of a selection, ps; nil where the file tells none.
  public func times(_ selection: FrameSelection, _ positions: Range<Int>? = nil) throws -> [Double]? {
    try values(selection, positions ?? 0..<selection.count) { try readTimes($0) }
  }

  private func values(
    _ selection: FrameSelection, _ positions: Range<Int>, read: (Range<Int>) throws -> [Double]?
  ) throws -> [Double]? {
    var values: [Double] = []
    values.reserveCapacity(positions.count)
    // in pieces: what lies between the frames is read too
    let piece = 65_536
    for start in stride(from: positions.lowerBound, to: positions.upperBound, by: max(1, piece / selection.stride)) {
      let part = start..<min(positions.upperBound, start + max(1, piece / selection.stride))
      guard let found = try read(selection[part.lowerBound]..<(selection[part.upperBound - 1] + 1)) else { return nil }
      for offset in stride(from: 0, to: found.count, by: selection.stride) { values.append(found[offset]) }
    }
    return values
  }
}

extension TrajectoryFrames {
  /// The frames of which `isKept` is true.
  public func keeping(_ isKept: [Bool]) -> TrajectoryFrames {
    let width = 3 * atomCount
    var kept = TrajectoryFrames(atomCount: atomCount)
    for position in indices.indices where isKept[position] {
      kept.indices.append(indices[position])
      kept.coordinates += coordinates[(position * width)..<((position + 1) * width)]
      if !times.isEmpty { kept.times.append(times[position]) }
      if !cells.isEmpty { kept.cells.append(cells[position]) }
    }
    return kept
  }

  fileprivate mutating func append(_ reader: some TrajectoryReader, _ span: Range<Int>, picking step: Int) throws {
    let width = 3 * atomCount
    let all = try reader.readFrames(span)
    let times = try reader.readTimes(span)
    let cells = try reader.readCells(span)
    if step == 1 { coordinates += all }
    for offset in stride(from: 0, to: span.count, by: step) {
      indices.append(span.lowerBound + offset)
      if step > 1 { coordinates += all[(offset * width)..<((offset + 1) * width)] }
      if let times { self.times.append(times[offset]) }
      if let cells { self.cells.append(cells[offset]) }
    }
  }

  /// The frames that are sound, whole and centred, and those that are not, with what is wrong. `file` is what these are said to be
  /// of. The sound ones have no cells any more.
  public func prepared(by preparation: FramePreparation, file: String) -> (sound: TrajectoryFrames, bad: [BadFrame]) {
    let width = 3 * atomCount
    var sound = TrajectoryFrames(atomCount: atomCount)
    sound.coordinates.reserveCapacity(coordinates.count)
    var bad: [BadFrame] = []
    for (position, index) in indices.enumerated() {
      var frame = coordinates[(position * width)..<((position + 1) * width)]
      if let fault = preparation.prepare(&frame, cell: cells.isEmpty ? nil : cells[position]) {
        bad.append(BadFrame(file: file, frame: index, fault: fault))
        continue
      }
      sound.coordinates += frame
      sound.indices.append(index)
      if !times.isEmpty { sound.times.append(times[position]) }
    }
    return (sound, bad)
  }
}

/// A frame that is no sound picture of its molecule: which one, and why.
public struct BadFrame: Equatable, Sendable, CustomStringConvertible {
  public let file: String
  /// Index in the file, from 0.
  public let frame: Int
  public let fault: FrameFault

  public init(file: String, frame: Int, fault: FrameFault) {
    (self.file, self.frame, self.fault) = (file, frame, fault)
  }

  public var description: String { "\(file), frame \(frame): \(fault.detail)" }
}
