import Basics
import Foundation
import Torch

/// A trained model as a store keeps it: JSON text and named tensors.
public struct ModelArchive: Equatable, Sendable {
  /// JSON: everything about the model but its numbers and the molecule.
  public var header: String
  /// JSON: the chart of the molecule.
  public var chart: String
  /// The network's averaged parameters, "average/NAME", and "constants/NAME".
  public var tensors: [String: NDArray<Float>]
  /// Groups of tensors that belong to a model; a training state has others beside them.
  public static let groups = ["average", "constants"]

  public init(header: String, chart: String, tensors: [String: NDArray<Float>]) {
    (self.header, self.chart, self.tensors) = (header, chart, tensors)
  }

  init(_ header: some Encodable, _ chart: some Encodable, network: some Network) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    self.init(
      header: String(decoding: try encoder.encode(header), as: UTF8.self),
      chart: String(decoding: try encoder.encode(chart), as: UTF8.self), tensors: [:])
    for (name, tensor) in zip(network.parameterNames, network.parameters) {
      tensors["average/\(name)"] = try tensor.array()
    }
    for (name, tensor) in network.constants { tensors["constants/\(name)"] = try tensor.array() }
  }

  func decoded<Header: Decodable, Chart: Decodable>(_: Header.Type, _: Chart.Type) throws -> (Header, Chart) {
    let json = JSONDecoder()
    return try (json.decode(Header.self, from: Data(header.utf8)), json.decode(Chart.self, from: Data(chart.utf8)))
  }

  func network<Net: Network>(like blank: Net) throws -> Net {
    blank.replacing(
      parameters: try zip(blank.parameterNames, blank.parameters).map { try tensors.tensor("average/\($0)", like: $1) },
      constants: try blank.constants.map { try tensors.tensor("constants/\($0.name)", like: $0.tensor) })
  }
}
