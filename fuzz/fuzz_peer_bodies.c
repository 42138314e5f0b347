/* What nodes tell each other inside of frames, of any bytes: read or refused, and what is read is written again to what
 * is read the same. Who sends it has our cluster's id, and may yet be another version, or mad. */
#include "controller/heartbeat.h"
#include "controller/join.h"
#include "controller/wish.h"
#include "peer/peers.h"
#include "peer/wire.h"
#include "replica/frames.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) abort();
}

/* Of fixed size, so that the same bytes must come of it. */
static void same(struct bytes bytes, const uint8_t *again, uint32_t size)
{
    must(bytes.size == size && memcmp(bytes.data, again, size) == 0);
}

static void try_streams(struct bytes bytes)
{
    uint8_t again[128];
    struct open_frame open;
    struct open_answer_frame answer;
    struct data_frame data;
    struct nack_frame nack;
    struct beat_frame beat;
    struct beat_answer_frame beaten;

    if (open_read(bytes, &open)) open_write(again, &open), same(bytes, again, OPEN_SIZE);
    if (open_answer_read(bytes, &answer)) open_answer_write(again, &answer), same(bytes, again, OPEN_ANSWER_SIZE);
    if (nack_read(bytes, &nack)) nack_write(again, &nack), same(bytes, again, NACK_SIZE);
    if (beat_read(bytes, &beat)) beat_write(again, &beat), same(bytes, again, BEAT_SIZE);
    if (beat_answer_read(bytes, &beaten)) beat_answer_write(again, &beaten), same(bytes, again, BEAT_ANSWER_SIZE);
    if (!data_read(bytes, &data)) return;
    must(data.batches.size == bytes.size - DATA_HEAD_SIZE && data.from >= 0 && data.from <= data.to);
    data_write_head(again, &data);
    must(memcmp(again, bytes.data, DATA_HEAD_SIZE) == 0);
}

static void try_acks(struct bytes bytes)
{
    uint8_t again[MAX(ACK_HEAD_SIZE, ACK_ENTRY_SIZE)];
    struct ack_frame ack;
    struct ack_entry entry;

    if (!ack_read(bytes, &ack)) return;
    must(ack.count >= 1 && ack.count <= ACK_ENTRIES_MAX && ack.entries.size == ack.count * ACK_ENTRY_SIZE);
    ack_write_head(again, ack.broker_epoch, ack.count);
    must(memcmp(again, bytes.data, ACK_HEAD_SIZE) == 0);
    for (uint32_t i = 0; i < ack.count; i++) {
        if (!ack_read_entry(&ack, i, &entry)) continue;
        ack_write_entry(again, &entry);
        must(memcmp(again, ack.entries.data + i * ACK_ENTRY_SIZE, ACK_ENTRY_SIZE) == 0);
    }
}

static void try_wishes(struct bytes bytes)
{
    uint8_t again[WISH_FRAME_HEAD_MAX];
    struct wish wish = { 0 };
    struct wish_answer answer;

    if (wish_read(bytes, &wish)) {
        wish_write(&wish, again);
        must(memcmp(again, bytes.data, WISH_HEAD_SIZE) == 0 && wish.body.size == bytes.size - WISH_HEAD_SIZE);
    }
    if (wish_answer_read(bytes, &answer)) {
        wish_answer_write(&answer, again);
        must(memcmp(again, bytes.data, WISH_ANSWER_HEAD_SIZE) == 0);
    }
}

static void try_membership(struct bytes bytes)
{
    uint8_t again[JOIN_ANSWER_SIZE_MAX];
    struct heartbeat heartbeat;
    struct heartbeat_answer beaten;
    struct join join;
    struct join_answer answer;
    struct bytes host;
    uint16_t port;

    if (heartbeat_read(bytes, &heartbeat)) heartbeat_write(&heartbeat, again), same(bytes, again, HEARTBEAT_SIZE);
    if (heartbeat_answer_read(bytes, &beaten)) {
        heartbeat_answer_write(&beaten, again);
        same(bytes, again, HEARTBEAT_ANSWER_SIZE);
    }
    if (join_read(bytes, &join)) same(bytes, again, join_write(&join, again));
    if (join_answer_read(bytes, &answer)) same(bytes, again, join_answer_write(&answer, again));
    if (join_address_split(bytes, &host, &port)) must(host.size > 0 && host.size < bytes.size && port > 0);
}

/* Some bytes are for later versions, and so may a reason be: what was written is read the same. */
static void try_handshake(struct bytes bytes)
{
    uint8_t once[WIRE_HANDSHAKE_SIZE_MAX], twice[WIRE_HANDSHAKE_SIZE_MAX];
    struct introduction introduction;
    struct refusal refusal;

    if (introduction_read(bytes, &introduction)) {
        const uint32_t size = introduction_write(once, &introduction);
        must(size <= bytes.size && introduction_read((struct bytes){ once, size }, &introduction));
        same((struct bytes){ once, size }, twice, introduction_write(twice, &introduction));
    }
    if (refusal_read(bytes, &refusal)) {
        const uint32_t size = refusal_write(once, &refusal);
        must(size <= bytes.size && refusal_read((struct bytes){ once, size }, &refusal));
        same((struct bytes){ once, size }, twice, refusal_write(twice, &refusal));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of its very size, so that whoever reads behind its end is seen. */
    uint8_t *copy = malloc(size + (size == 0));
    const struct bytes bytes = { copy, (uint32_t)size };

    if (size > 0) memcpy(copy, data, size);
    try_streams(bytes);
    try_acks(bytes);
    try_wishes(bytes);
    try_membership(bytes);
    try_handshake(bytes);
    free(copy);
    return 0;
}
