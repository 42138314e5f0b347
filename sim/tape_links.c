#include "sim/tape.h"

#include "codec/api.h"
#include "peer/wire.h"
#include "raft/message.h"

#include <stdlib.h>
#include <string.h>

/* ---- a table from what an answer is known by to the event that asked for it ---- */

struct asked_by {
    uint64_t key; /* 0: free */
    uint64_t event;
};

enum key_kind { KEY_DISK = 1, KEY_LINK, KEY_CONNECTION };

static uint64_t key_of(enum key_kind kind, uint64_t a, uint64_t b)
{
    uint64_t key = ((uint64_t)kind << 60) ^ (a * 0x9e3779b97f4a7c15) ^ (b * 0xc2b2ae3d27d4eb4f);
    key ^= key >> 31;
    return key == 0 ? 1 : key;
}

/* What is sent towards one end of a connection and has not been taken there yet. */
struct put {
    uint64_t end; /* so many bytes were put with it */
    uint64_t event, time_ns;
};

struct frame {
    uint64_t end;
    uint64_t event, time_ns;
    uint32_t size;
    char label[32];
};

enum { STREAM_PUTS = 64, STREAM_FRAMES = 256, STREAM_ANSWERS = 64, HEAD_SIZE = 28 };

/* One direction of a connection. Rings: where more is under way, the oldest is forgotten. */
struct stream_seen {
    uint32_t generation; /* of the connection; 0: not in use */
    uint64_t put, taken;
    struct put puts[STREAM_PUTS];
    uint32_t put_first, put_next;
    struct frame frames[STREAM_FRAMES];
    uint32_t frame_first, frame_next;
    uint8_t head[HEAD_SIZE];          /* of the frame that is being put */
    uint64_t frame_begin, frame_end;  /* frame_end 0: its size is not known yet */
    char answers[STREAM_ANSWERS][24]; /* what the answers that are due here are to */
    uint32_t answer_first, answer_next;
};

struct tape_links {
    struct asked_by *asked;
    uint64_t asked_count, asked_max;
    struct stream_seen **streams; /* by connection * 2 + the end that they lead to */
    uint32_t stream_max;
    uint64_t *deadline_ns, *deadline_by; /* by machine: its deadline, and which event set it */
    uint32_t machine_max;
    uint64_t client_event; /* the last event whose bytes a client got */
};

struct tape_links *tape_links_new(void)
{
    struct tape_links *links = calloc(1, sizeof *links);

    links->asked_max = 1 << 14;
    links->asked = calloc(links->asked_max, sizeof *links->asked);
    return links;
}

void tape_links_free(struct tape_links *links)
{
    for (uint32_t i = 0; i < links->stream_max; i++) free(links->streams[i]);
    free(links->streams);
    free(links->asked);
    free(links->deadline_ns);
    free(links->deadline_by);
    free(links);
}

static struct asked_by *asked_at(struct tape_links *links, uint64_t key)
{
    uint64_t at = key & (links->asked_max - 1);
    while (links->asked[at].key != 0 && links->asked[at].key != key) at = (at + 1) & (links->asked_max - 1);
    return &links->asked[at];
}

static void put_asked(struct tape_links *links, uint64_t key, uint64_t event)
{
    if (2 * links->asked_count >= links->asked_max) {
        struct asked_by *old = links->asked;
        const uint64_t old_max = links->asked_max;
        links->asked_max *= 2;
        links->asked = calloc(links->asked_max, sizeof *links->asked);
        for (uint64_t i = 0; i < old_max; i++) {
            if (old[i].key != 0) *asked_at(links, old[i].key) = old[i];
        }
        free(old);
    }
    struct asked_by *asked = asked_at(links, key);
    links->asked_count += asked->key == 0;
    *asked = (struct asked_by){ key, event };
}

static uint64_t asked_by(struct tape_links *links, uint64_t key)
{
    return asked_at(links, key)->event;
}

static struct stream_seen *stream_at(struct tape *tape, uint32_t end)
{
    struct tape_links *links = tape->links;
    const uint32_t generation = net_connection(&tape->run->world.net, end / 2)->generation + 1;

    if (end >= links->stream_max) {
        const uint32_t before = links->stream_max;
        links->stream_max = 2 * end + 64;
        links->streams = realloc(links->streams, links->stream_max * sizeof *links->streams);
        memset(links->streams + before, 0, (links->stream_max - before) * sizeof *links->streams);
    }
    if (links->streams[end] == NULL) links->streams[end] = calloc(1, sizeof **links->streams);
    struct stream_seen *stream = links->streams[end];
    if (stream->generation != generation) {
        memset(stream, 0, sizeof *stream);
        stream->generation = generation;
    }
    return stream;
}

/* ---- what a frame is ---- */

static const char *peer_label(const uint8_t *head)
{
    static const char *const rafts[] = { "raft",          "raft vote?",    "raft vote",        "raft append",
                                         "raft appended", "raft snapshot", "raft snapshot ok", "raft timeout-now",
                                         "raft read?",    "raft read" };
    static const char *const controls[] = { "",     "raft",        "heartbeat", "heartbeat ok",
                                            "wish", "wish answer", "join",      "join answer" };
    static const char *const data[] = { "open", "opened", "data", "ack", "nack", "beat", "beat ok" };
    static const char *const own[] = { "hello", "welcome", "refused", "alive" };
    const uint8_t kind = head[12];

    /* Before Raft's message stands the member that it is for. */
    if (kind == 1 && head[25] < COUNT_OF(rafts)) return rafts[head[25]];
    if (kind > 0 && kind < COUNT_OF(controls)) return controls[kind];
    if (kind >= 32 && kind - 32 < (int)COUNT_OF(data)) return data[kind - 32];
    if (kind >= 200 && kind - 200 < (int)COUNT_OF(own)) return own[kind - 200];
    return "frame";
}

static void label_request(struct stream_seen *back, const uint8_t *head, char label[32])
{
    const struct api *api = api_find((int16_t)load_u16(head + 4));
    char *answer = back->answers[back->answer_next++ % STREAM_ANSWERS];

    snprintf(label, 32, "%.20s", api == NULL ? "request" : api->name);
    snprintf(answer, 24, "%.23s", label);
}

static void label_answer(struct stream_seen *stream, char label[32])
{
    const bool known = stream->answer_first < stream->answer_next;
    snprintf(label, 32, "%.20s answer", known ? stream->answers[stream->answer_first % STREAM_ANSWERS] : "");
    stream->answer_first += known;
}

static void label_frame(struct tape *tape, uint32_t end, struct stream_seen *stream, char label[32])
{
    const struct connection *connection = net_connection(&tape->run->world.net, end / 2);

    if (connection->listener == LISTENER_NODE || connection->listener == LISTENER_WAL) {
        snprintf(label, 32, "%s", peer_label(stream->head));
    } else if ((end & 1) == 1) {
        label_request(stream_at(tape, end ^ 1), stream->head, label);
    } else {
        label_answer(stream, label);
    }
}

/* Cuts what is put into frames. A head's worth of each is looked at. */
static void put_bytes(struct tape *tape, uint32_t end, const uint8_t *data, uint32_t size, uint64_t event)
{
    struct stream_seen *stream = stream_at(tape, end);
    const uint64_t now_ns = tape->run->world.now_ns;
    const bool of_peers = net_connection(&tape->run->world.net, end / 2)->listener >= LISTENER_NODE;

    for (uint32_t at = 0; at < size;) {
        const uint64_t into = stream->put - stream->frame_begin;
        if (into < HEAD_SIZE) stream->head[into] = data[at];
        const uint64_t skip = into < HEAD_SIZE ? 1 : MIN((uint64_t)(size - at), stream->frame_end - stream->put);
        at += (uint32_t)skip;
        stream->put += skip;
        if (into == 3) stream->frame_end = stream->frame_begin + load_u32(stream->head) + (of_peers ? 0 : 4);
        if (into < 3 || stream->put < stream->frame_end) continue;
        struct frame *frame = &stream->frames[stream->frame_next++ % STREAM_FRAMES];
        *frame = (struct frame){ stream->put, event, now_ns, (uint32_t)(stream->put - stream->frame_begin), "" };
        label_frame(tape, end, stream, frame->label);
        stream->frame_begin = stream->put;
        stream->frame_end = 0;
        memset(stream->head, 0, sizeof stream->head);
    }
    stream->puts[stream->put_next++ % STREAM_PUTS] = (struct put){ stream->put, event, now_ns };
}

/* Returns the event that put the last of these bytes. */
static uint64_t take_bytes(struct tape *tape, uint32_t end, uint32_t size, uint32_t to)
{
    struct stream_seen *stream = stream_at(tape, end);
    const struct end *from = &net_connection(&tape->run->world.net, end / 2)->ends[1 - (end & 1)];

    stream->taken += size;
    if (stream->frame_next - stream->frame_first > STREAM_FRAMES)
        stream->frame_first = stream->frame_next - STREAM_FRAMES;
    for (; stream->frame_first < stream->frame_next; stream->frame_first++) {
        const struct frame *frame = &stream->frames[stream->frame_first % STREAM_FRAMES];
        if (frame->end > stream->taken) break;
        struct tape_item *item = tape_add(tape, TAPE_MESSAGE, from->place, frame->label);
        item->values[MESSAGE_TO] = to;
        item->values[MESSAGE_SENT_NS] = (int64_t)frame->time_ns;
        item->values[MESSAGE_SENT_EVENT] = (int64_t)frame->event;
        item->values[MESSAGE_SIZE] = frame->size;
        item->values[MESSAGE_CLIENT] = from->place == PLACE_CLIENT ? from->client : 0;
    }
    if (stream->put_next - stream->put_first > STREAM_PUTS) stream->put_first = stream->put_next - STREAM_PUTS;
    for (; stream->put_first < stream->put_next; stream->put_first++) {
        const struct put *put = &stream->puts[stream->put_first % STREAM_PUTS];
        if (put->end >= stream->taken) return put->event;
    }
    return 0;
}

/* ---- events ---- */

static uint64_t on_sent(struct tape *tape, uint32_t machine, uint32_t link)
{
    const uint32_t end = links_end(&tape->run->world, machine, link);

    if (end == LINK_NONE) return 0;
    const uint32_t to = end ^ 1;
    const struct stream_seen *stream = stream_at(tape, to);
    const struct flow *flow = &net_connection(&tape->run->world.net, to / 2)->flows[to & 1];
    const uint32_t size = (uint32_t)(flow->total - stream->put);
    if (size <= flow->end) put_bytes(tape, to, flow->data + flow->end - size, size, tape->event);
    return asked_by(tape->links, key_of(KEY_LINK, machine, link));
}

static uint64_t on_received(struct tape *tape, uint32_t machine, const struct event *event)
{
    const uint32_t end = links_end(&tape->run->world, machine, event->received.link);
    return end == LINK_NONE ? 0 : take_bytes(tape, end, event->received.size, machine);
}

static uint64_t on_opened(struct tape *tape, uint32_t machine, uint32_t link)
{
    const uint32_t end = links_end(&tape->run->world, machine, link);
    if (end == LINK_NONE) return 0;
    const struct connection *connection = net_connection(&tape->run->world.net, end / 2);
    const struct end *dialer = &connection->ends[0];
    return dialer->place == PLACE_CLIENT ? 0 : asked_by(tape->links, key_of(KEY_LINK, dialer->place, dialer->link));
}

uint64_t tape_links_on_event(struct tape *tape, uint32_t machine, const struct event *event)
{
    struct tape_links *links = tape->links;

    switch (event->type) {
    case EVENT_STARTED:
    case EVENT_STOP_ASKED: return 0;
    case EVENT_TIME_PASSED: return machine < links->machine_max ? links->deadline_by[machine] : 0;
    case EVENT_LINK_OPENED: return on_opened(tape, machine, event->link_opened.link);
    case EVENT_LINK_CLOSED: return asked_by(links, key_of(KEY_LINK, machine, event->link_closed.link));
    case EVENT_RECEIVED: return on_received(tape, machine, event);
    case EVENT_SENT: return on_sent(tape, machine, event->sent.link);
    case EVENT_WRITTEN:
    case EVENT_SYNCED:
    case EVENT_READ_DONE:
    case EVENT_FILE_DONE: return asked_by(links, key_of(KEY_DISK, machine, event->disk.op));
    }
    return 0;
}

void tape_links_on_orders(struct tape *tape, uint32_t machine, const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->list[i];
        uint64_t key = 0;
        switch (effect->type) {
        case EFFECT_OPEN_LINK: key = key_of(KEY_LINK, machine, effect->open_link.link); break;
        case EFFECT_SEND: key = key_of(KEY_LINK, machine, effect->send.link); break;
        case EFFECT_CLOSE_LINK: key = key_of(KEY_LINK, machine, effect->close_link.link); break;
        case EFFECT_WRITE: key = key_of(KEY_DISK, machine, effect->write.op); break;
        case EFFECT_SYNC: key = key_of(KEY_DISK, machine, effect->sync.op); break;
        case EFFECT_READ: key = key_of(KEY_DISK, machine, effect->read.op); break;
        case EFFECT_FILE: key = key_of(KEY_DISK, machine, effect->file.op); break;
        case EFFECT_RECEIVE:
        case EFFECT_NOTE:
        case EFFECT_HALT: break;
        }
        if (key != 0) put_asked(tape->links, key, tape->event);
    }
}

void tape_links_on_deadline(struct tape *tape, uint32_t machine, uint64_t deadline_ns)
{
    struct tape_links *links = tape->links;

    if (machine >= links->machine_max) {
        const uint32_t before = links->machine_max;
        links->machine_max = 2 * machine + 8;
        links->deadline_ns = realloc(links->deadline_ns, links->machine_max * sizeof *links->deadline_ns);
        links->deadline_by = realloc(links->deadline_by, links->machine_max * sizeof *links->deadline_by);
        for (uint32_t i = before; i < links->machine_max; i++) links->deadline_ns[i] = links->deadline_by[i] = 0;
    }
    if (links->deadline_ns[machine] == deadline_ns) return;
    links->deadline_ns[machine] = deadline_ns;
    links->deadline_by[machine] = tape->event;
}

/* ---- clients: what one of them sends is taken to be for what it was told last ---- */

void tape_links_on_client_bytes(struct tape *tape, uint32_t wire, uint32_t size)
{
    const uint64_t by = take_bytes(tape, wire * 2, size, MACHINE_NONE);
    if (by != 0) tape->links->client_event = by;
}

void tape_links_on_client_wrote(struct tape *tape, uint32_t wire, const void *data, uint32_t size)
{
    put_bytes(tape, wire * 2 + 1, data, size, tape->links->client_event);
}
