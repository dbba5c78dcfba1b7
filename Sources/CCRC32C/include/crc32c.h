#pragma once
#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli, RFC 3720) of `length` bytes, continuing from `crc` (0 to begin).
/// Uses the CPU's instruction where there is one (SSE4.2, ARMv8), a table elsewhere.
uint32_t forebay_crc32c(uint32_t crc, const void *bytes, size_t length);

/// The table version, whatever the CPU has: the other's oracle.
uint32_t forebay_crc32c_table(uint32_t crc, const void *bytes, size_t length);
