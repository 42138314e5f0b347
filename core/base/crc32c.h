/* crc32c.h -- the checksum of Kafka's record batches, and of everything of ours on disk or wire.
 *
 * CRC-32C (Castagnoli), computed by ISA-L: docs/adr/0004-crc32c.md says why. */
#ifndef CHRONIK_BASE_CRC32C_H
#define CHRONIK_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `crc` is the checksum of, followed by these bytes; 0 is the checksum of nothing. So
 * crc32c(crc32c(0, a), b) is the checksum of a and b together. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

#endif
