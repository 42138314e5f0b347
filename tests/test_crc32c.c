#include "base/crc32c.h"
#include "t.h"

static const uint8_t zeros[32];
static const uint8_t rising[32] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };
static const uint8_t falling[32] = { 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,
                                     15, 14, 13, 12, 11, 10, 9,  8,  7,  6,  5,  4,  3,  2,  1,  0 };
static const uint8_t ones[32] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
static const uint8_t scsi_read[48] = {
    0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18,
    0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

/* The golden vectors of RFC 3720 B.4, and the check value of the CRC catalogues. */
static const struct crc_row {
    const char *why;
    const void *data;
    size_t size;
    uint32_t crc;
} crc_rows[] = {
    { "nothing", "", 0, 0 },
    { "check value", "123456789", 9, 0xe3069283 },
    { "RFC 3720: 32 zeros", zeros, 32, 0x8a9136aa },
    { "RFC 3720: 32 ones", ones, 32, 0x62a8ab43 },
    { "RFC 3720: rising", rising, 32, 0x46dd794e },
    { "RFC 3720: falling", falling, 32, 0x113fdb5c },
    { "RFC 3720: an iSCSI read command", scsi_read, 48, 0xd9963a56 },
};

TEST(crc32c_golden_vectors)
{
    FOR_EACH(crc_row, row, crc_rows) EXPECT_EQ(row->why, row->crc, crc32c(0, row->data, row->size));
}

TEST(crc32c_goes_on_where_it_stopped)
{
    FOR_EACH(crc_row, row, crc_rows) {
        for (size_t cut = 0; cut <= row->size; cut++) {
            const uint32_t first = crc32c(0, row->data, cut);
            EXPECT_EQ(row->why, row->crc, crc32c(first, (const uint8_t *)row->data + cut, row->size - cut));
        }
    }
}

/* Bit by bit, from the definition: the reference that no clever version may differ from. */
static uint32_t slow_crc32c(const uint8_t *data, size_t size)
{
    uint32_t state = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        state ^= data[i];
        for (int bit = 0; bit < 8; bit++) state = state >> 1 ^ (state & 1 ? 0x82f63b78 : 0);
    }
    return ~state;
}

TEST(crc32c_of_every_size_and_alignment)
{
    static uint8_t data[1200];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 131 + i / 7);

    for (size_t size = 0; size <= 1024; size++) {
        const size_t at = size % 17;
        EXPECT_EQ("as defined", slow_crc32c(data + at, size), crc32c(0, data + at, size));
    }
}
