/* Takes the place of the tables of ICU in Swift's Foundation, 34 MB, when the wheel's program is linked: a table of contents without an
   entry, as ICU knows one for programs that bring no tables. Nothing here asks for another language's dates, numbers or order of letters.
   The layout is that of ICU's common data: a header, and the number of entries. TABLES is the name that Foundation's references are led to. */
#include <stdint.h>

const struct {
  uint16_t header_size;
  uint8_t magic[2];
  uint16_t info_size, reserved;
  uint8_t is_big_endian, charset, size_of_char, reserved_byte;
  uint8_t format[4], format_version[4], data_version[4];
  uint8_t padding[8];
  uint32_t entries;
} __attribute__((aligned(16))) TABLES = {
    32, {0xda, 0x27}, 20, 0, 0, 0, 2, 0, {'C', 'm', 'n', 'D'}, {1, 0, 0, 0}, {0, 0, 0, 0}, {0}, 0};
