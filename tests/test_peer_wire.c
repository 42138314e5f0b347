/* Frames and handshakes, byte by byte: what is written is read, and what is wrong anywhere is refused. */
#include "base/crc32c.h"
#include "base/prng.h"
#include "peer/wire.h"
#include "t.h"

static const struct head_row {
    const char *why;
    uint32_t size, checked, payload_max;
    uint8_t spare;
    bool right;
} head_rows[] = {
    { "the smallest", 16, 0, 100, 0, true },
    { "the largest", 116, 100, 100, 0, true },
    { "checked in part", 116, 7, 100, 0, true },
    { "smaller than its head", 15, 0, 100, 0, false },
    { "nothing", 0, 0, 100, 0, false },
    { "larger than may be", 117, 0, 100, 0, false },
    { "as large as can be said", UINT32_MAX, 0, 100, 0, false },
    { "more checked than there is", 116, 101, 100, 0, false },
    { "all is checked, says a liar", 116, UINT32_MAX, 100, 0, false },
    { "bytes that have no meaning yet", 116, 0, 100, 1, false },
};

TEST(heads)
{
    FOR_EACH(head_row, row, head_rows) {
        uint8_t bytes[WIRE_HEAD_SIZE];
        struct frame_head head;
        wire_head_write(bytes, &(struct frame_head){ row->size, 5, row->checked, 9 });
        bytes[15] = row->spare;
        EXPECT(row->why, wire_head_read(bytes, row->payload_max, &head) == row->right);
        if (row->right) EXPECT(row->why, head.size == row->size && head.checked == row->checked && head.kind == 9);
    }
}

TEST(every_bit_of_a_frame_counts)
{
    uint8_t frame[WIRE_HEAD_SIZE + 20];
    struct frame_head head = { .size = sizeof frame, .checked = 13, .kind = 3 };

    for (uint32_t i = 0; i < 20; i++) frame[WIRE_HEAD_SIZE + i] = (uint8_t)(i * 11);
    head.crc = crc32c(frame_crc_begin(head.kind, head.checked), frame + WIRE_HEAD_SIZE, head.checked);
    wire_head_write(frame, &head);
    EXPECT("as it was", frame_is_whole(frame, &head));
    for (uint32_t bit = 4 * 8; bit < sizeof frame * 8; bit++) {
        struct frame_head seen;
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const bool whole = wire_head_read(frame, 20, &seen) && frame_is_whole(frame, &seen);
        EXPECT("up to the end of what is checked", whole == (bit / 8 >= WIRE_HEAD_SIZE + 13));
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static struct introduction sample(void)
{
    return (struct introduction){
        .version_min = 1,
        .version_max = 3,
        .channel = WIRE_DATA,
        .node_id = 7,
        .wanted_id = 9,
        .member_id = 0x0000000712345678,
        .cluster_id = { "cluster-id-16by" },
        .incarnation = { "incarnation-16b" },
        .node_address = { BYTES_LITERAL("node7"), 9093 },
        .wal_address = { BYTES_LITERAL("10.0.0.7"), 9291 },
    };
}

TEST(an_introduction_is_as_the_table_says)
{
    uint8_t bytes[WIRE_HANDSHAKE_SIZE_MAX];
    struct introduction said = sample(), read;
    const uint32_t size = introduction_write(bytes, &said);
    static const uint8_t begin[] = { 'C', 'H', 'R', 'P', 0, 1, 0, 3, 1, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 9 };
    static const uint8_t end[] = { 0x23, 0x85, 0x24, 0x4b, 5,   'n', 'o', 'd', 'e', '7',
                                   8,    '1',  '0',  '.',  '0', '.', '0', '.', '7' };

    EXPECT_BYTES("magic, versions, channel, ids", begin, sizeof begin, bytes, sizeof begin);
    EXPECT_BYTES("ports and hosts", end, sizeof end, bytes + 60, size - 60);
    EXPECT("it is read", introduction_read((struct bytes){ bytes, size }, &read));
    EXPECT("as it was", read.version_min == 1 && read.version_max == 3 && read.channel == WIRE_DATA);
    EXPECT("who", read.node_id == 7 && read.wanted_id == 9 && read.member_id == 0x0000000712345678);
    EXPECT("of what", uuid_equal(&read.cluster_id, &said.cluster_id));
    EXPECT("since when", uuid_equal(&read.incarnation, &said.incarnation));
    EXPECT("where", bytes_equal(read.node_address.host, said.node_address.host) && read.node_address.port == 9093);
    EXPECT("and where", bytes_equal(read.wal_address.host, said.wal_address.host) && read.wal_address.port == 9291);
    memset(bytes + size, 0xee, 10);
    EXPECT("later versions may say more", introduction_read((struct bytes){ bytes, size + 10 }, &read));
    for (uint32_t cut = 0; cut < size; cut++) {
        EXPECT("never less", !introduction_read((struct bytes){ bytes, cut }, &read));
    }
}

static const struct change_row {
    const char *why;
    uint32_t at, size;
    const char *bytes;
} change_rows[] = {
    { "another protocol", 0, 1, "X" },
    { "version 0", 4, 2, "\0\0" },
    { "versions that end before they begin", 4, 4, "\0\4\0\3" },
    { "a third channel", 8, 1, "\2" },
    { "node 0", 12, 4, "\0\0\0\0" },
    { "a node below 0", 12, 4, "\377\377\377\377" },
    { "wants a node below 0", 16, 4, "\377\0\0\0" },
    { "member 0", 20, 8, "\0\0\0\0\0\0\0\0" },
    { "no incarnation", 44, 16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
    { "no port", 60, 2, "\0\0" },
    { "no port for data", 62, 2, "\0\0" },
    { "no host", 64, 1, "\0" },
    { "a host that ends a line in the log", 65, 1, "\n" },
    { "a host in no alphabet", 65, 1, "\377" },
    { "a host that ends the text", 66, 1, "\0" },
    { "a host longer than the rest", 70, 1, "\377" },
};

TEST(what_no_node_says_of_itself)
{
    FOR_EACH(change_row, row, change_rows) {
        uint8_t bytes[WIRE_HANDSHAKE_SIZE_MAX];
        struct introduction said = sample(), read;
        const uint32_t size = introduction_write(bytes, &said);
        memcpy(bytes + row->at, row->bytes, row->size);
        EXPECT(row->why, !introduction_read((struct bytes){ bytes, size }, &read));
    }
}

TEST(the_longest_hosts_fit)
{
    uint8_t bytes[WIRE_HANDSHAKE_SIZE_MAX], host[PEER_HOST_SIZE_MAX];
    struct introduction said = sample(), read;

    memset(host, 'h', sizeof host);
    said.node_address.host = said.wal_address.host = (struct bytes){ host, sizeof host };
    const uint32_t size = introduction_write(bytes, &said);
    EXPECT("in a handshake",
           size <= WIRE_HANDSHAKE_SIZE_MAX && introduction_read((struct bytes){ bytes, size }, &read));
}

TEST(refusals)
{
    for (uint32_t reason = PEER_WRONG_VERSION; reason < PEER_REASON_COUNT; reason++) {
        uint8_t bytes[WIRE_HANDSHAKE_SIZE_MAX];
        const struct refusal said = { 1, 2, (enum peer_reason)reason, 5, { "cluster-id-16by" } };
        struct refusal read;
        const uint32_t size = refusal_write(bytes, &said);
        EXPECT("each has a number", refusal_read((struct bytes){ bytes, size }, &read));
        EXPECT("of its own", read.reason == said.reason && read.node_id == 5 && read.version_max == 2);
        EXPECT("and its words", peer_reason_text(said.reason)[0] != 0);
        for (uint32_t cut = 0; cut < size; cut++) {
            EXPECT("whole", !refusal_read((struct bytes){ bytes, cut }, &read));
        }
        bytes[8] = 99;
        EXPECT("a reason of a later version", refusal_read((struct bytes){ bytes, size }, &read));
        bytes[0] = 0;
        EXPECT("another protocol", !refusal_read((struct bytes){ bytes, size }, &read));
    }
}
