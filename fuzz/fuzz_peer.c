/* fuzz_peer.c -- a room of core/peer among nodes that say and do anything: a list of small commands, read from the
 * bytes. What comes on a link is raw, or a handshake or frame with a true checksum, so that every state is reached. The
 * room checks itself after each step; at the end, with all links closed and all frames taken, nothing may be left. */
#include "base/check.h"
#include "base/crc32c.h"
#include "codec/reader.h"
#include "peer/peers.h"
#include "peer/wire.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LINKS = 4, FIRST = 3, NODES = 6, COMMANDS_MAX = 400, FRAME_MAX = 70000, OWN_ID = 3 };

struct outside {
    bool used, opened, receiving, sending;
    struct effect_receive receive;
    uint32_t send_crc;
    struct effect_send send;
};

static struct peers *peers;
static size_t peers_bytes;
static struct outside outside[2 * LINKS];
static uint64_t now_ns;
static uint32_t lent_out; /* cookies that have not come back */
static uint8_t own_bytes[FRAME_MAX];
static struct effects effects;
static bool takes_frames;

static const struct peers_config config = {
    .node_id = OWN_ID,
    .seed = { 1, 2 },
    .first_link = FIRST,
    .links_max = LINKS,
    .nodes_max = NODES,
    .node_address = { { (const uint8_t *)"n3", 2 }, 9093 },
    .wal_address = { { (const uint8_t *)"n3", 2 }, 9291 },
    .control_frame_max = 40000,
    .data_frame_max = FRAME_MAX,
    .send_memory_size = 512 << 10,
    .receive_memory_size = 1 << 20,
};

static struct uuid uuid_of(uint8_t number)
{
    struct uuid uuid = { { 0 } };

    uuid.bytes[15] = number;
    return uuid;
}

static uint32_t crc_of(const struct effect_send *send)
{
    uint32_t crc = 0;

    for (uint32_t i = 0; i < send->piece_count; i++) {
        if (send->pieces[i].data != NULL) crc = crc32c(crc, send->pieces[i].data, send->pieces[i].size);
    }
    return crc;
}

static void obey(void)
{
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct effect *effect = &effects.list[i];
        struct outside *link;
        switch (effect->type) {
        case EFFECT_OPEN_LINK:
            CHECK(effect->open_link.link - FIRST >= LINKS && effect->open_link.link - FIRST < 2 * LINKS);
            link = &outside[effect->open_link.link - FIRST];
            CHECK(!link->used && effect->open_link.host[0] != 0 && effect->open_link.port != 0);
            *link = (struct outside){ .used = true };
            link->receive.size = effect->open_link.at;
            break;
        case EFFECT_RECEIVE:
            link = &outside[effect->receive.link - FIRST];
            CHECK(link->used && link->opened && !link->receiving && effect->receive.size > 0);
            link->receiving = true;
            link->receive = effect->receive;
            break;
        case EFFECT_SEND:
            link = &outside[effect->send.link - FIRST];
            CHECK(link->used && link->opened && !link->sending && effect->send.piece_count > 0);
            link->sending = true;
            link->send = effect->send;
            link->send_crc = crc_of(&effect->send);
            break;
        case EFFECT_CLOSE_LINK: CHECK(outside[effect->close_link.link - FIRST].used); break;
        case EFFECT_NOTE: break;
        case EFFECT_WRITE:
        case EFFECT_SYNC:
        case EFFECT_READ:
        case EFFECT_FILE:
        case EFFECT_HALT: CHECK(false); break;
        }
    }
}

/* The end of a step: what a roof does. */
static void end_step(void)
{
    struct peer_change change;
    struct peer_frame frame;
    struct peer_returned returned;

    while (peers_next_change(peers, &change, &effects)) CHECK(peer_reason_text(change.reason) != NULL);
    for (uint32_t i = 0; i < 8 && peers_next_frame(peers, &frame); i++) {
        uint32_t sum = 0;
        for (uint32_t at = 0; at < frame.payload.size; at++) sum += frame.payload.data[at];
        CHECK(sum <= 255u * frame.payload.size && frame.kind <= PEER_KIND_MAX);
        CHECK(frame.checked_size <= frame.payload.size && frame.node_id != OWN_ID);
        if (!takes_frames) peers_hold(peers);
    }
    while (peers_next_returned(peers, &returned)) lent_out--;
    peers_work(peers, &effects);
    peers_check(peers);
    obey();
}

static void begin_step(void)
{
    effects.count = effects.notes_dropped = 0;
    peers_on_time(peers, now_ns);
}

/* ---- what others do ---- */

static void open_link(uint8_t choice)
{
    const uint32_t number = choice % (2 * LINKS);
    struct outside *link = &outside[number];
    struct event_link_opened opened = { FIRST + number, LISTENER_NODE, BYTES_LITERAL("10.1.1.1:5") };

    if (number < LINKS ? link->used : !link->used || link->opened) return;
    opened.listener = number < LINKS ? choice & 0x40 ? LISTENER_WAL : LISTENER_NODE : (enum listener)link->receive.size;
    link->used = link->opened = true;
    begin_step();
    peers_on_link_opened(peers, &opened);
    end_step();
}

static void close_link(uint32_t number, bool refused)
{
    if (!outside[number].used) return;
    const bool opened = outside[number].opened;
    memset(&outside[number], 0, sizeof outside[number]);
    begin_step();
    peers_on_link_closed(peers, &(struct event_link_closed){ FIRST + number, refused && !opened });
    end_step();
}

static void sent(uint32_t number)
{
    struct outside *link = &outside[number];

    if (!link->sending) return;
    CHECK(crc_of(&link->send) == link->send_crc); /* the loan law */
    link->sending = false;
    begin_step();
    peers_on_sent(peers, &(struct event_sent){ FIRST + number });
    end_step();
}

/* Hands bytes over in pieces, as long as they are asked for. */
static void arrive(uint32_t number, const uint8_t *data, uint32_t size, uint32_t piece)
{
    struct outside *link = &outside[number];

    while (size > 0 && link->receiving) {
        uint32_t part = MIN(size, link->receive.size);
        if (piece > 0) part = MIN(part, piece);
        memcpy(link->receive.into, data, part);
        link->receiving = false;
        begin_step();
        peers_on_received(peers, &(struct event_received){ FIRST + number, part, link->receive.into });
        end_step();
        data += part;
        size -= part;
    }
}

static void raw(struct reader *input, uint32_t number)
{
    const uint32_t size = MIN((uint32_t)reader_uint8(input), reader_left(input));
    const uint8_t *data = reader_take(input, size);

    if (data != NULL) arrive(number, data, size, 0);
}

static uint32_t frame_of(uint8_t *to, uint8_t kind, const uint8_t *payload, uint32_t size, uint32_t checked)
{
    struct frame_head head = { WIRE_HEAD_SIZE + size, 0, checked, kind };

    head.crc = crc32c(frame_crc_begin(kind, checked), payload, checked);
    wire_head_write(to, &head);
    memcpy(to + WIRE_HEAD_SIZE, payload, size);
    return head.size;
}

static void handshake(struct reader *input, uint32_t number)
{
    static const uint8_t kinds[] = { WIRE_HELLO, WIRE_WELCOME, WIRE_REFUSED, WIRE_ALIVE };
    uint8_t payload[WIRE_HANDSHAKE_SIZE_MAX], frame[WIRE_HEAD_SIZE + WIRE_HANDSHAKE_SIZE_MAX];
    const uint8_t what = reader_uint8(input), who = reader_uint8(input), piece = reader_uint8(input);
    const uint8_t kind = kinds[what % 4];
    const struct introduction said = {
        .version_min = 1,
        .version_max = what & 0x80 ? 2 : 1,
        .channel = what & 0x40 ? WIRE_DATA : WIRE_CONTROL,
        .node_id = 1 + who % 8,
        .wanted_id = what & 0x20   ? OWN_ID
                     : what & 0x10 ? 5
                                   : 0,
        .member_id = 1 + (who >> 3) % 2,
        .cluster_id = uuid_of((who >> 4) % 4 == 3   ? 8
                              : (who >> 4) % 4 == 2 ? 0
                                                    : 7),
        .incarnation = uuid_of(1 + (who >> 6)),
        .node_address = { BYTES_LITERAL("other"), 1 },
        .wal_address = { BYTES_LITERAL("other"), 2 },
    };
    const struct refusal refusal = { 1, 1, (enum peer_reason)(PEER_WRONG_VERSION + who % 8), 1 + who % 8, uuid_of(7) };
    uint32_t size = kind == WIRE_REFUSED ? refusal_write(payload, &refusal) : introduction_write(payload, &said);

    if (kind == WIRE_ALIVE) size = 0;
    size = frame_of(frame, kind, payload, size, size);
    if (piece >= 0xf0) frame[reader_uint8(input) % size] ^= piece; /* or nearly one */
    arrive(number, frame, size, piece % 16 == 0 ? 1 + piece / 16 : 0);
}

static void frame(struct reader *input, uint32_t number)
{
    static uint8_t bytes[WIRE_HEAD_SIZE + FRAME_MAX + 1];
    const uint8_t kind = reader_uint8(input);
    const uint32_t size = reader_uint16(input) * (reader_uint8(input) & 1 ? 2u : 1u) % (FRAME_MAX + 2);
    const uint32_t checked = reader_uint8(input) & 1 ? size : size / 2;

    memset(own_bytes, kind, sizeof own_bytes);
    const uint32_t frame_size = frame_of(bytes, kind, own_bytes, MIN(size, (uint32_t)FRAME_MAX), MIN(checked, size));
    arrive(number, bytes, frame_size, 0);
}

/* ---- what our own rooms want ---- */

static void wish(struct reader *input)
{
    const uint8_t what = reader_uint8(input);
    const int32_t id = 1 + reader_uint8(input) % 9;
    const enum peer_channel channel = what & 0x80 ? PEER_DATA_OUT : PEER_CONTROL;
    const struct peer_address address = { BYTES_LITERAL("elsewhere"), (uint16_t)(1 + what) };
    const struct uuid cluster_id = uuid_of(7);

    if (id == OWN_ID) return;
    switch (what % 8) {
    case 0:
    case 1: (void)peers_want(peers, id, channel, address); break;
    case 2: peers_unwant(peers, id, channel); break;
    case 3: (void)peers_know(peers, id); break;
    case 4: peers_forget(peers, id); break;
    case 5: peers_seek(peers, what / 8 % PEER_SEEDS_MAX, what & 0x40 ? id : 0, address); break;
    case 6: peers_seek_end(peers); break;
    default: peers_set_cluster(peers, &cluster_id);
    }
    begin_step();
    end_step();
}

static void send(struct reader *input)
{
    const uint8_t what = reader_uint8(input);
    const int32_t id = 1 + what % 8;
    const uint32_t size = reader_uint16(input);
    const struct bytes part = { own_bytes, MIN(size, config.control_frame_max) };
    struct piece pieces[PEER_PIECES_MAX];
    const uint32_t count = 1 + what % PEER_PIECES_MAX;

    if (what & 0x80) {
        for (uint32_t i = 0; i < count; i++) {
            pieces[i] = (struct piece){ .data = own_bytes, .size = (size + i) % (FRAME_MAX / PEER_PIECES_MAX - 9) };
            if (what & 0x40 && i > 2) pieces[i] = (struct piece){ .path = "f", .size = pieces[i].size };
        }
        const enum peer_channel channel = what & 0x20 ? PEER_DATA_IN : PEER_DATA_OUT;
        lent_out += peers_send_lent(peers, id, channel, 34, (struct bytes){ own_bytes, what % PEER_HEAD_SIZE_MAX },
                                    pieces, count, 1) == PEER_SENT;
    } else {
        (void)peers_send(peers, id, (enum peer_channel)(what / 16 % 3), what, &part, 1);
    }
    begin_step();
    end_step();
}

static void release_all(void)
{
    takes_frames = true;
    for (int32_t id = 1; id <= 8; id++) {
        for (uint32_t channel = 0; channel < PEER_CHANNEL_COUNT; channel++) {
            peers_release(peers, id, (enum peer_channel)channel);
        }
    }
    begin_step();
    end_step();
}

static void command(struct reader *input)
{
    const uint8_t what = reader_uint8(input);
    const uint32_t number = what / 16 % (2 * LINKS);

    switch (what % 16) {
    case 0:
    case 1: open_link(reader_uint8(input)); break;
    case 2: close_link(number, what & 0x80); break;
    case 3:
    case 4: sent(number); break;
    case 5: raw(input, number); break;
    case 6:
    case 7:
    case 8: handshake(input, number); break;
    case 9:
    case 10: frame(input, number); break;
    case 11:
    case 12: wish(input); break;
    case 13: send(input); break;
    case 14:
        now_ns += (uint64_t)(1 + what / 16) * 50 * 1000000;
        if (what & 0x80) now_ns = MAX(now_ns, MIN(peers_deadline_ns(peers), now_ns + 10000000000ull));
        begin_step();
        end_step();
        break;
    default:
        if (what & 0x80) takes_frames = false;
        else release_all();
    }
}

static void finish(void)
{
    release_all();
    for (int32_t id = 1; id <= 9; id++) {
        if (id != OWN_ID) peers_forget(peers, id);
    }
    peers_seek_end(peers);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 2 * LINKS; i++) close_link(i, false);
        begin_step();
        end_step();
    }
    CHECK(lent_out == 0 && peers_counters(peers)->links_up == 0);
    for (uint32_t i = 0; i < 2 * LINKS; i++) CHECK(!outside[i].used);
    for (uint32_t i = 0; i < NODES; i++) CHECK(peers_know(peers, 20 + (int32_t)i)); /* no slot is taken */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct peer_identity identity = { uuid_of(7), 77, uuid_of(1) };
    struct reader input = reader_of((struct bytes){ data, (uint32_t)MIN(size, (size_t)1 << 20) });

    if (peers == NULL) {
        peers_bytes = peers_size(&config);
        CHECK(peers_bytes > 0);
        peers = mmap(NULL, peers_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(peers != MAP_FAILED);
    }
    CHECK(madvise(peers, peers_bytes, MADV_DONTNEED) == 0);
    memset(outside, 0, sizeof outside);
    now_ns = 1;
    lent_out = 0;
    takes_frames = true;
    peers_init(peers, &config);
    peers_on_time(peers, now_ns);
    peers_open(peers, &identity);
    for (uint32_t i = 0; i < COMMANDS_MAX && reader_left(&input) > 0; i++) command(&input);
    finish();
    return 0;
}
