import Trajectories
import Workflow

extension IngestSource {
  /// Frames at positions of the selection, without those of another temperature.
  func read(_ positions: Range<Int>) throws -> TrajectoryFrames {
    let frames = try reader.frames(frames, positions)
    guard let temperature, let found = try reader.temperatures(self.frames, positions) else { return frames }
    return frames.keeping(found.map { Self.isSame($0, temperature) })
  }

  private static func isSame(_ temperature: Double, _ other: Double) -> Bool { abs(temperature - other) < 0.05 }

  /// The temperature whose frames are taken; nil where files tell none, or only one and none was asked for. Throws
  /// `IngestError.severalTemperatures`, `.noFrameAt`, `.temperatureUnknown`.
  static func chooseTemperature(_ sources: [Self], _ wanted: Double?) throws -> Double? {
    var counts: [Double: Int] = [:]
    var files: [String] = []
    for source in sources {
      guard let found = try source.reader.temperatures(source.frames) else {
        if wanted != nil { throw IngestError.temperatureUnknown(file: source.reader.url.path) }
        continue
      }
      files.append(source.reader.url.path)
      for temperature in found { counts[temperature, default: 0] += 1 }
    }
    let list = counts.sorted { $0.key < $1.key }.map { TemperatureCount(temperature: $0.key, frames: $0.value) }
    if let wanted {
      guard list.contains(where: { isSame($0.temperature, wanted) })
      else { throw IngestError.noFrameAt(temperature: wanted, found: list) }
      return wanted
    }
    if let first = list.first, list.contains(where: { !isSame($0.temperature, first.temperature) }) {
      throw IngestError.severalTemperatures(found: list, files: files)
    }
    return nil
  }

  /// Of two frames: root mean square of how much the distances between their atoms differ, of the first so many atoms; nm.
  private static func distance(_ one: [Double], _ other: [Double]) -> Double {
    let atoms = min(60, one.count / 3, other.count / 3)
    func length(_ frame: [Double], _ i: Int, _ j: Int) -> Double {
      (0..<3).reduce(0) { $0 + (frame[3 * i + $1] - frame[3 * j + $1]) * (frame[3 * i + $1] - frame[3 * j + $1]) }
        .squareRoot()
    }
    var (sum, count) = (0.0, 0)
    for i in 0..<atoms {
      for j in 0..<i {
        let difference = length(one, i, j) - length(other, i, j)
        (sum, count) = (sum + difference * difference, count + 1)
      }
    }
    return count == 0 ? 0 : (sum / Double(count)).squareRoot()
  }

  /// Warns of frames that count twice.
  static func warnOfRepeatedFrames(_ sources: [Self], _ context: StageContext) throws {
    let files = try sources.map { source -> TimedFrames in
      var frames = (0..<source.frames.count).map { source.frames[$0] }
      var times = try source.reader.times(source.frames)
      if let temperature = source.temperature, let found = try source.reader.temperatures(source.frames) {
        let kept = found.indices.filter { isSame(found[$0], temperature) }
        frames = kept.map { frames[$0] }
        times = times.map { times in kept.map { times[$0] } }
      }
      return TimedFrames(file: source.reader.url.path, frames: frames, times: times)
    }
    let repeated = try RepeatedFrames.find(files) { file, frame in
      try sources[file].reader.readFrames(frame..<(frame + 1)).map { Float($0) }.hashValue
    } distance: { one, other in
      let frames = try [one, other].map { place in
        try sources[place.file].reader.readFrames(place.frame..<(place.frame + 1)).map { Double($0) }
      }
      return distance(frames[0], frames[1])
    }
    for finding in repeated.prefix(5) {
      if finding.isOfRunsOfTheirOwn {
        context.warn("\(finding)", .note)
        continue
      }
      context.warn("\(finding); leave one of the two out (first, last, or the file)")
    }
    if repeated.count > 5 { context.warn("and \(repeated.count - 5) more stretches of frames that count twice") }
  }
}
