/* golden.h -- record batches that real clients made, kept in tests/golden/batches/. Made once, by hand, with
 * MemoryRecordsBuilder of the Java client 3.9.0 (java-*) and DefaultRecordBatchBuilder of kafka-python (python-*):
 * the records of golden_records[], or with "-large" 2,000 like those of an order table. */
#ifndef CHRONIK_TESTS_GOLDEN_H
#define CHRONIK_TESTS_GOLDEN_H

#include "codec/record_batch_builder.h"
#include "t.h"

/* BYTES_LITERAL where only constants may stand */
#define TEXT(text)                                                                                                     \
    {                                                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                                                      \
    }
#define GOLDEN_TIME INT64_C(1700000000000)
enum { GOLDEN_SIZE_MAX = 1 << 20, GOLDEN_LARGE_COUNT = 2000 };

static const struct record_header golden_headers[] = {
    { TEXT("h1"), TEXT("v1") },
    { TEXT(""), TEXT("") },
    { TEXT("null"), { NULL, 0 } },
};

#define GOLDEN_40(text) text text text text text text text text text text
#define GOLDEN_LONG GOLDEN_40("0123456789012345678901234567890123456789")

static const struct record_input golden_records[] = {
    { GOLDEN_TIME, TEXT("key-0"), TEXT("value-0"), NULL, 0 },
    { GOLDEN_TIME + 5, { NULL, 0 }, TEXT("no key"), NULL, 0 },
    { GOLDEN_TIME + 3, TEXT("tombstone"), { NULL, 0 }, NULL, 0 },
    { GOLDEN_TIME + 9, TEXT(""), TEXT(""), NULL, 0 },
    { GOLDEN_TIME + 9, { NULL, 0 }, { NULL, 0 }, golden_headers, 3 },
    { GOLDEN_TIME - 1, TEXT("long"), TEXT(GOLDEN_LONG), NULL, 0 },
};

/* The bytes of a golden file, in memory of GOLDEN_SIZE_MAX bytes. */
static inline struct bytes golden_read(const char *name, uint8_t *memory)
{
    char path[128];
    snprintf(path, sizeof path, "tests/golden/batches/%s.bin", name);
    FILE *file = fopen(path, "rb");
    EXPECT(path, file != NULL);
    if (file == NULL) return (struct bytes){ memory, 0 };
    const size_t size = fread(memory, 1, GOLDEN_SIZE_MAX, file);
    fclose(file);
    return (struct bytes){ memory, (uint32_t)size };
}

#endif
