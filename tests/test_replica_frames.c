/* Frames of replication: read as they were written, whole or not at all, and nothing that no writer of ours makes. */
#include "replica/frames.h"
#include "t.h"

static const struct open_frame ask = { { { 1, 2, 3 } }, 7, 5, 20, 30, 77, 4, OPEN_ASK, true, -1, -1 };
static const struct open_frame compare = { { { 1, 2, 3 } }, 7, 5, 20, 30, 77, 4, OPEN_COMPARE, false, 5, 90 };
static const struct open_frame reset = { { { 1, 2, 3 } }, 7, 5, 20, 30, 77, 4, OPEN_RESET, false, -1, 90 };

TEST(frames_are_read_as_written)
{
    const struct open_answer_frame answer = { 4, 5, 77, 30, 9, -1, 10, 20 };
    const struct nack_frame nack = { 4, 5, 77, 30, NACK_FULL, 6, 20 };
    const struct beat_answer_frame beat = { 123456789, 30, true };
    struct open_answer_frame answer_read;
    struct nack_frame nack_got;
    struct beat_answer_frame beat_read_back;
    uint8_t bytes[OPEN_SIZE], again[OPEN_SIZE];

    open_answer_write(bytes, &answer);
    EXPECT("an answer", open_answer_read((struct bytes){ bytes, OPEN_ANSWER_SIZE }, &answer_read));
    open_answer_write(again, &answer_read);
    EXPECT_BYTES("says the same", bytes, OPEN_ANSWER_SIZE, again, OPEN_ANSWER_SIZE);
    nack_write(bytes, &nack);
    EXPECT("a refusal", nack_read((struct bytes){ bytes, NACK_SIZE }, &nack_got));
    nack_write(again, &nack_got);
    EXPECT_BYTES("says the same", bytes, NACK_SIZE, again, NACK_SIZE);
    beat_answer_write(bytes, &beat);
    EXPECT("a beat", beat_answer_read((struct bytes){ bytes, BEAT_ANSWER_SIZE }, &beat_read_back));
    beat_answer_write(again, &beat_read_back);
    EXPECT_BYTES("says the same", bytes, BEAT_ANSWER_SIZE, again, BEAT_ANSWER_SIZE);
}

static const struct open_row {
    const char *why;
    const struct open_frame *open;
    uint32_t at; /* this byte is changed */
    uint8_t to;
    bool read;
} open_rows[] = {
    { "as it was written", &ask, 0, 1, true },
    { "a comparison", &compare, 0, 1, true },
    { "a new begin", &reset, 0, 1, true },
    { "a negative partition", &ask, 16, 0x80, false },
    { "a negative leader epoch", &ask, 20, 0x80, false },
    { "a negative broker epoch", &ask, 24, 0x80, false },
    { "no session", &ask, 47, 0, false },
    { "a step that there is not", &ask, 52, 3, false },
    { "a flag that there is not", &ask, 53, 2, false },
    { "a question with a bound", &ask, 59, 0, false },
    { "a bound of an epoch above the leader's", &compare, 59, 6, false },
    { "a negative bound", &compare, 60, 0x80, false },
    { "a new begin in an epoch", &reset, 56, 0, false },
};

TEST(opens_are_checked)
{
    FOR_EACH(open_row, row, open_rows) {
        uint8_t bytes[OPEN_SIZE + 1] = { 0 };
        struct open_frame open;
        open_write(bytes, row->open);
        bytes[row->at] = row->to;
        EXPECT_EQ(row->why, row->read, open_read((struct bytes){ bytes, OPEN_SIZE }, &open));
        EXPECT("a byte too few", !open_read((struct bytes){ bytes, OPEN_SIZE - 1 }, &open));
        EXPECT("a byte too many", !open_read((struct bytes){ bytes, OPEN_SIZE + 1 }, &open));
    }
}

static const struct data_row {
    const char *why;
    int64_t from, to, high_watermark;
    int32_t previous_epoch;
    uint32_t size; /* of the batches */
    bool read;
} data_rows[] = {
    { "records", 10, 20, 5, 3, 8, true },
    { "nothing but marks", 10, 10, 5, -1, 0, true },
    { "records without offsets", 10, 10, 5, 3, 8, false },
    { "offsets without records", 10, 20, 5, 3, 0, false },
    { "an end before the begin", 10, 9, 5, 3, 8, false },
    { "a negative offset", -1, 20, 5, 3, 8, false },
    { "a negative high watermark", 10, 20, -1, 3, 8, false },
    { "an epoch that is none", 10, 20, 5, -2, 8, false },
};

TEST(data_are_checked)
{
    FOR_EACH(data_row, row, data_rows) {
        uint8_t bytes[DATA_HEAD_SIZE + 8] = { 0 };
        const struct data_frame data = {
            9, 5, 77, row->from, row->to, row->previous_epoch, row->high_watermark, 2, { NULL, 0 }
        };
        struct data_frame read;
        data_write_head(bytes, &data);
        EXPECT_EQ(row->why, row->read, data_read((struct bytes){ bytes, DATA_HEAD_SIZE + row->size }, &read));
        if (row->read) EXPECT_EQ("the batches are what is left", row->size, read.batches.size);
        EXPECT("less than a head", !data_read((struct bytes){ bytes, DATA_HEAD_SIZE - 1 }, &read));
    }
}

TEST(acks_are_of_as_many_as_they_say)
{
    const struct ack_entry entries[2] = { { 4, 5, 77, 20 }, { 8, 6, 78, 30 } };
    uint8_t bytes[ACK_HEAD_SIZE + 2 * ACK_ENTRY_SIZE];
    struct ack_frame ack;
    struct ack_entry entry;

    ack_write_head(bytes, 30, 2);
    for (uint32_t i = 0; i < 2; i++) ack_write_entry(bytes + ACK_HEAD_SIZE + i * ACK_ENTRY_SIZE, &entries[i]);
    EXPECT("two", ack_read((struct bytes){ bytes, sizeof bytes }, &ack));
    EXPECT("the second", ack_read_entry(&ack, 1, &entry));
    EXPECT_EQ("of its partition", 8, entry.leader_number);
    EXPECT_EQ("up to there", 30, entry.held_offset);
    EXPECT("one is missing", !ack_read((struct bytes){ bytes, sizeof bytes - ACK_ENTRY_SIZE }, &ack));
    EXPECT("half of one", !ack_read((struct bytes){ bytes, sizeof bytes - 1 }, &ack));
    ack_write_head(bytes, 30, 0);
    EXPECT("none at all", !ack_read((struct bytes){ bytes, ACK_HEAD_SIZE }, &ack));
    ack_write_head(bytes, 30, ACK_ENTRIES_MAX + 1);
    EXPECT("more than there may be", !ack_read((struct bytes){ bytes, sizeof bytes }, &ack));
}
