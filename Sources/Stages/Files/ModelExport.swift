import Artifacts
import Basics
import Foundation
import Records

/// An emulator of many peptides as a file by itself: what draws, without what a training needs to go on.
public enum ModelExport {
  /// Whether a stage's artifact is such an emulator.
  public static func holdsModel(_ artifact: Artifact) -> Bool {
    artifact.has(Recorded.transferableEmulator.model.header)
  }

  /// Writes the file, which a `transferred-emulator` stage takes; its provenance is the artifact's, without folders of the machine that made it.
  /// `isRounded`: weights keep the 11
  /// digits, binary, of half precision, and the file has two thirds of the size; it says so. What is rounded is an emulator of its own, whose
  /// likelihoods are those of what it draws. Throws `ExportError`, `ArtifactError`, `HDF5Error`.
  public static func write(_ artifact: Artifact, to url: URL, isRounded: Bool) throws {
    guard url.standardizedFileURL != artifact.url.standardizedFileURL else {
      throw ExportError.overItself(file: url.path)
    }
    let record = Recorded.transferableEmulator
    let writer = try ArtifactWriter(url: url)
    try writer.write(record.model.header, artifact.read(record.model.header))
    try writer.write(record.model.chart, artifact.read(record.model.chart))
    try writer.write(record.molecules, artifact.read(record.molecules))
    try writer.write(record.known, artifact.read(record.known))
    try writer.write(record.parameters, artifact.read(record.parameters))
    try writer.write(record.trainingFrames, artifact.read(record.trainingFrames))
    try writer.write(record.temperature, artifact.read(record.temperature))
    for (name, tensor) in try artifact.modelTensors().sorted(by: { $0.key < $1.key }) {
      let field = record.training.tensors[name]
      let values = isRounded ? tensor.values.map(rounded) : tensor.values
      try writer.write(field.path, values, shape: tensor.shape, units: field.unit, compression: .always)
    }
    var provenance = artifact.provenance
    // the file goes to others: which build a library was says enough, and where it lay nothing
    provenance.libraries = provenance.libraries?.mapValues(withoutFolder)
    provenance.pipelineFile = provenance.pipelineFile.map { URL(fileURLWithPath: $0).lastPathComponent }
    if isRounded {
      let remark = Remark("weights are rounded to 11 binary digits, for a small file", .note)
      provenance.remarks = provenance.allRemarks + [remark]
      provenance.warnings.append(remark.message)
    }
    try writer.commit(provenance: provenance)
  }

  /// "libhdf5.so (build-id 5f)" of a library as it was loaded, "/usr/lib/libhdf5.so (build-id 5f)".
  static func withoutFolder(_ library: String) -> String { library.replacing(#/^[^(]*\//#, with: "") }

  /// To 11 significant binary digits, ties to even.
  static func rounded(_ value: Float) -> Float {
    guard value.isFinite else { return value }
    let bits = value.bitPattern
    let up = Float(bitPattern: (bits &+ 0xFFF &+ ((bits >> 13) & 1)) & ~0x1FFF)
    return up.isFinite ? up : value
  }
}
