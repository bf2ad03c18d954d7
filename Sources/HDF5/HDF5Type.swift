import CHDF5

public enum HDF5Type: Equatable, Sendable, CustomStringConvertible {
  case float32, float64
  case int8, int16, int32, int64
  case uint8, uint16, uint32, uint64
  case string(bytes: Int)  // Fixed-length UTF-8 of so many bytes, padded with zeros
  case variableString
  case other  // A type that this module does not read (compound, reference, ...).

  public var description: String {
    switch self {
    case .string(let bytes): "string of \(bytes) bytes"
    case .variableString: "string of variable length"
    case .other: "an unsupported type"
    default: numeric?.name ?? ""
    }
  }

  public var isNumeric: Bool { numeric != nil }
  public var isInteger: Bool { isNumeric && self != .float32 && self != .float64 }
  var isFixedString: Bool { if case .string = self { true } else { false } }

  /// The number's name, its size in bytes, and the library's types for it.
  private typealias Numeric = (name: String, size: Int, native: () -> hid_t, file: () -> hid_t)

  private var numeric: Numeric? {
    switch self {
    case .float32: ("float32", 4, chdf5_native_float, chdf5_file_float32)
    case .float64: ("float64", 8, chdf5_native_double, chdf5_file_float64)
    case .int8: ("int8", 1, chdf5_native_int8, chdf5_file_int8)
    case .int16: ("int16", 2, chdf5_native_int16, chdf5_file_int16)
    case .int32: ("int32", 4, chdf5_native_int32, chdf5_file_int32)
    case .int64: ("int64", 8, chdf5_native_int64, chdf5_file_int64)
    case .uint8: ("uint8", 1, chdf5_native_uint8, chdf5_file_uint8)
    case .uint16: ("uint16", 2, chdf5_native_uint16, chdf5_file_uint16)
    case .uint32: ("uint32", 4, chdf5_native_uint32, chdf5_file_uint32)
    case .uint64: ("uint64", 8, chdf5_native_uint64, chdf5_file_uint64)
    case .string, .variableString, .other: nil
    }
  }

  /// Bytes per element in memory.
  public var size: Int {
    switch self {
    case .string(let bytes): bytes
    case .variableString: MemoryLayout<UnsafeMutablePointer<CChar>?>.size
    default: numeric?.size ?? 0
    }
  }

  /// A new identifier of this type: as laid out in the file, or natively in memory. Call under the lock.
  func makeIdentifier(native: Bool) -> hid_t {
    switch self {
    case .string(let bytes): Self.makeString(size: bytes)
    case .variableString: Self.makeString(size: chdf5_variable_length())
    default: numeric.map { H5Tcopy(native ? $0.native() : $0.file()) } ?? -1
    }
  }

  private static func makeString(size: Int) -> hid_t {
    let type = H5Tcopy(chdf5_c_string())
    guard type >= 0, H5Tset_size(type, size) >= 0, H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0,
      H5Tset_cset(type, H5T_CSET_UTF8) >= 0
    else { return -1 }
    return type
  }

  /// The type behind an identifier. Call under the lock.
  init(identifier: hid_t) {
    let size = H5Tget_size(identifier)
    switch H5Tget_class(identifier) {
    case H5T_FLOAT where size == 4: self = .float32
    case H5T_FLOAT where size == 8: self = .float64
    case H5T_INTEGER:
      let signed = H5Tget_sign(identifier) == H5T_SGN_2
      switch size {
      case 1: self = signed ? .int8 : .uint8
      case 2: self = signed ? .int16 : .uint16
      case 4: self = signed ? .int32 : .uint32
      case 8: self = signed ? .int64 : .uint64
      default: self = .other
      }
    case H5T_STRING: self = H5Tis_variable_str(identifier) > 0 ? .variableString : .string(bytes: size)
    default: self = .other
    }
  }
}

/// A Swift number that HDF5 stores as it is.
public protocol HDF5Scalar: Numeric, Sendable {
  static var hdf5Type: HDF5Type { get }
}

extension Float: HDF5Scalar { public static var hdf5Type: HDF5Type { .float32 } }
extension Double: HDF5Scalar { public static var hdf5Type: HDF5Type { .float64 } }
extension Int8: HDF5Scalar { public static var hdf5Type: HDF5Type { .int8 } }
extension Int16: HDF5Scalar { public static var hdf5Type: HDF5Type { .int16 } }
extension Int32: HDF5Scalar { public static var hdf5Type: HDF5Type { .int32 } }
extension Int64: HDF5Scalar { public static var hdf5Type: HDF5Type { .int64 } }
extension Int: HDF5Scalar { public static var hdf5Type: HDF5Type { .int64 } }
extension UInt8: HDF5Scalar { public static var hdf5Type: HDF5Type { .uint8 } }
extension UInt16: HDF5Scalar { public static var hdf5Type: HDF5Type { .uint16 } }
extension UInt32: HDF5Scalar { public static var hdf5Type: HDF5Type { .uint32 } }
extension UInt64: HDF5Scalar { public static var hdf5Type: HDF5Type { .uint64 } }
