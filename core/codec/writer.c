#include "codec/writer.h"

void writer_uvarlong(struct writer *writer, uint64_t value)
{
    while (value >= 0x80) {
        writer_uint8(writer, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    writer_uint8(writer, (uint8_t)value);
}

void writer_raw(struct writer *writer, struct bytes bytes)
{
    uint8_t *to = writer_take(writer, bytes.size);
    if (to != NULL && bytes.size > 0) memcpy(to, bytes.data, bytes.size);
}

void writer_uuid(struct writer *writer, const struct uuid *uuid)
{
    writer_raw(writer, (struct bytes){ uuid->bytes, sizeof uuid->bytes });
}

/* A null in the newer encoding is 0 and a length n is n + 1. */
static void write_compact_size(struct writer *writer, bool null, uint32_t size)
{
    writer_uvarint(writer, null ? 0 : size + 1);
}

void writer_string(struct writer *writer, bool flexible, bool nullable, struct bytes string)
{
    const bool null = nullable && string.data == NULL;

    CHECK(string.data != NULL || string.size == 0);
    if (string.size > STRING_SIZE_MAX) {
        writer->malformed = true;
        return;
    }
    if (flexible) write_compact_size(writer, null, string.size);
    else writer_int16(writer, null ? -1 : (int16_t)string.size);
    writer_raw(writer, string);
}

static void write_bytes_size(struct writer *writer, bool flexible, bool nullable, struct bytes bytes)
{
    const bool null = nullable && bytes.data == NULL;

    CHECK(bytes.data != NULL || bytes.size == 0);
    if (bytes.size > INT32_MAX) writer->malformed = true;
    if (flexible) write_compact_size(writer, null, bytes.size);
    else writer_int32(writer, null ? -1 : (int32_t)bytes.size);
}

void writer_bytes(struct writer *writer, bool flexible, bool nullable, struct bytes bytes)
{
    write_bytes_size(writer, flexible, nullable, bytes);
    writer_raw(writer, bytes);
}

void writer_records(struct writer *writer, bool flexible, bool nullable, struct bytes records)
{
    write_bytes_size(writer, flexible, nullable, records);
    if (writer->referred_max == 0) {
        writer_raw(writer, records);
        return;
    }
    if (records.size == 0) return;
    if (writer->referred_count == writer->referred_max) {
        writer->malformed = true;
        return;
    }
    writer->referred[writer->referred_count++] = (struct referred){ writer->size, records };
    writer->referred_size += records.size;
}

void writer_array(struct writer *writer, bool flexible, bool nullable, const void *elements, uint32_t count)
{
    const bool null = nullable && elements == NULL;

    CHECK(elements != NULL || count == 0);
    if (count > INT32_MAX) writer->malformed = true;
    if (flexible) write_compact_size(writer, null, count);
    else writer_int32(writer, null ? -1 : (int32_t)count);
}

void writer_tag(struct writer *writer, uint32_t tag, const struct writer *measured)
{
    if (measured->malformed || measured->size > INT32_MAX) writer->malformed = true;
    writer_uvarint(writer, tag);
    writer_uvarint(writer, (uint32_t)measured->size);
}

void writer_patch_int32(struct writer *writer, uint64_t position, int32_t value)
{
    CHECK(position + 4 <= writer->size);
    if (position + 4 <= writer->capacity) store_u32(writer->data + position, (uint32_t)value);
}
