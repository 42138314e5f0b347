/* bytes.h -- slices of memory, and the one place that knows byte order.
 *
 * All formats of ours and of Kafka are big-endian. Core is compiled without a C library's headers, so the four
 * functions that every compiler may call anyway are declared here. */
#ifndef CHRONIK_BASE_BYTES_H
#define CHRONIK_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

/* Bytes that somebody else owns. `data` may be NULL only when size is 0; who lends them says for how long. */
struct bytes {
    const uint8_t *data;
    uint32_t size;
};

#define BYTES_LITERAL(text) ((struct bytes){ (const uint8_t *)(text), sizeof(text) - 1 })

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline uint16_t load_u16(const uint8_t *from)
{
    return (uint16_t)(from[0] << 8 | from[1]);
}

static inline uint32_t load_u32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return __builtin_bswap32(value);
}

static inline uint64_t load_u64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return __builtin_bswap64(value);
}

static inline int32_t load_i32(const uint8_t *from)
{
    return (int32_t)load_u32(from);
}

static inline int64_t load_i64(const uint8_t *from)
{
    return (int64_t)load_u64(from);
}

static inline void store_u16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static inline void store_u32(uint8_t *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof value);
}

static inline void store_u64(uint8_t *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof value);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "loads and stores swap");

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
