#include <hdf5.h>
#include <math.h>
#include <string.h>

// HDF5's predefined types and property classes are macros over globals that the library fills when it is first used;
// Swift does not import such macros, so each one needed is a function here.

static inline hid_t chdf5_native_float(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t chdf5_native_double(void) { return H5T_NATIVE_DOUBLE; }
static inline hid_t chdf5_native_int8(void) { return H5T_NATIVE_INT8; }
static inline hid_t chdf5_native_int16(void) { return H5T_NATIVE_INT16; }
static inline hid_t chdf5_native_int32(void) { return H5T_NATIVE_INT32; }
static inline hid_t chdf5_native_int64(void) { return H5T_NATIVE_INT64; }
static inline hid_t chdf5_native_uint8(void) { return H5T_NATIVE_UINT8; }
static inline hid_t chdf5_native_uint16(void) { return H5T_NATIVE_UINT16; }
static inline hid_t chdf5_native_uint32(void) { return H5T_NATIVE_UINT32; }
static inline hid_t chdf5_native_uint64(void) { return H5T_NATIVE_UINT64; }

static inline hid_t chdf5_file_float32(void) { return H5T_IEEE_F32LE; }
static inline hid_t chdf5_file_float64(void) { return H5T_IEEE_F64LE; }
static inline hid_t chdf5_file_int8(void) { return H5T_STD_I8LE; }
static inline hid_t chdf5_file_int16(void) { return H5T_STD_I16LE; }
static inline hid_t chdf5_file_int32(void) { return H5T_STD_I32LE; }
static inline hid_t chdf5_file_int64(void) { return H5T_STD_I64LE; }
static inline hid_t chdf5_file_uint8(void) { return H5T_STD_U8LE; }
static inline hid_t chdf5_file_uint16(void) { return H5T_STD_U16LE; }
static inline hid_t chdf5_file_uint32(void) { return H5T_STD_U32LE; }
static inline hid_t chdf5_file_uint64(void) { return H5T_STD_U64LE; }
static inline hid_t chdf5_c_string(void) { return H5T_C_S1; }

static inline hid_t chdf5_class_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t chdf5_class_dataset_create(void) { return H5P_DATASET_CREATE; }
static inline hid_t chdf5_class_dataset_transfer(void) { return H5P_DATASET_XFER; }
static inline hid_t chdf5_class_link_create(void) { return H5P_LINK_CREATE; }

static inline hid_t chdf5_default(void) { return H5P_DEFAULT; }
static inline hid_t chdf5_all(void) { return H5S_ALL; }
static inline hsize_t chdf5_unlimited(void) { return H5S_UNLIMITED; }
static inline hid_t chdf5_default_error_stack(void) { return H5E_DEFAULT; }
static inline size_t chdf5_variable_length(void) { return H5T_VARIABLE; }
static inline unsigned chdf5_truncate(void) { return H5F_ACC_TRUNC; }
static inline unsigned chdf5_read_only(void) { return H5F_ACC_RDONLY; }
static inline unsigned chdf5_read_write(void) { return H5F_ACC_RDWR; }

/// The newest file format this library can write: its metadata blocks carry checksums.
static inline herr_t chdf5_newest_format(hid_t access) {
  return H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
}

static inline hid_t chdf5_driver_errors(void) { return H5E_VFL; }

static inline herr_t chdf5_no_automatic_printing(void) { return H5Eset_auto2(H5E_DEFAULT, NULL, NULL); }

/// Refuses a conversion that would clip a value; infinities, NaN and rounding to a shorter float pass.
static inline H5T_conv_ret_t chdf5_refuse_clipping(
  H5T_conv_except_t kind, hid_t from, hid_t to, void *source, void *target, void *context) {
  (void)target; (void)context;
  switch (kind) {
    case H5T_CONV_EXCEPT_RANGE_HI:
    case H5T_CONV_EXCEPT_RANGE_LOW:
      // from double to float, infinity is reported as out of range too
      if (H5Tget_class(from) == H5T_FLOAT && H5Tget_class(to) == H5T_FLOAT && H5Tget_size(from) == sizeof(double)) {
        double value;
        memcpy(&value, source, sizeof value);
        if (isinf(value)) return H5T_CONV_UNHANDLED;
      }
      return H5T_CONV_ABORT;
    case H5T_CONV_EXCEPT_TRUNCATE:
      return H5T_CONV_ABORT;
    default:
      return H5T_CONV_UNHANDLED;
  }
}
static inline herr_t chdf5_set_refuse_clipping(hid_t transfer) {
  return H5Pset_type_conv_cb(transfer, chdf5_refuse_clipping, NULL);
}
