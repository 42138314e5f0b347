/* fake_node.h -- a node that does whatever its clients say, to test the host below it over real sockets and files.
 *
 *   request   u32 size of what follows | u8 command | u16 path size | path | u64 position | u32 count | data
 *   answer    u32 size of what follows | u8 disk result | data
 *
 *   E  echo: the data comes back        B  `count` bytes that count up, in three memory pieces
 *   W  write data at position           S  sync the path            P  urgent write and sync, one answer
 *   R  read `count` bytes               G  send `count` bytes of the file as a file piece
 *   M  make directory  T  truncate      U  unlink      L  list, data is the last name seen   N  rename to data
 *   O  in one step: `count` writes of data to position.., each once, then a sync and a read of all of it
 *   D  answer after `count` ms; nothing is received meanwhile
 *   C  close the link                   X  halt, reason is `count`
 *   I  answer with how many links are open, and the bytes received so far
 *
 * One request is served at a time per link. */
#ifndef CHRONIK_TESTS_FAKE_NODE_H
#define CHRONIK_TESTS_FAKE_NODE_H

#include "base/check.h"
#include "node.h"
#include "status.h"

enum {
    REQUEST_SIZE_MAX = 1 << 20,
    ANSWER_SIZE_MAX = 16 << 20,
    HEAD_SIZE = 4 + 1 + 2,
    PIECES_MAX = 64,
    CHUNK = 4096,
};

struct fake_link {
    bool open, asleep;
    uint64_t wake_ns;
    uint32_t number;
    uint32_t filled;     /* of the request */
    uint32_t orders;     /* disk orders that are not answered */
    uint32_t asker;      /* of a dialed link: 1 + the link whose client asked for it */
    struct bytes letter; /* what is said on it */
    uint8_t command;
    uint8_t result;
    uint32_t result_size;
    char path[PATH_SIZE_MAX], to[PATH_SIZE_MAX];
    struct piece pieces[PIECES_MAX];
    struct piece send[PIECES_MAX];
    uint8_t head[8];
    uint8_t request[REQUEST_SIZE_MAX];
    uint8_t answer[ANSWER_SIZE_MAX];
};

struct node {
    struct config config;
    enum node_state state;
    uint64_t now_ns;
    uint64_t received;
    uint32_t links_open, links_used, dials;
    struct fake_link links[];
};

void config_init(struct config *config)
{
    *config = (struct config){
        .node_id = 1,
        .links_max = 1000,
        .topics_max = 100,
        .partitions_max = 1000,
        .segments_max = 1000,
        .producers_max = 1000,
        .request_size_max = REQUEST_SIZE_MAX,
        .request_memory_size = 1 << 30,
        .num_partitions = 1,
    };
}

const char *config_contradiction(const struct config *config)
{
    return config->links_max == 0 ? "no links" : NULL;
}

size_t node_size(const struct config *config)
{
    return sizeof(struct node) + (config->links_max + 2 * config->peer_links_max) * sizeof(struct fake_link);
}

void node_init(struct node *node, const struct config *config)
{
    node->config = *config;
}

void node_check(const struct node *node)
{
    CHECK(node->links_open <= node->config.links_max + 2 * node->config.peer_links_max);
}

void node_status(const struct node *node, struct node_status *status)
{
    *status = (struct node_status){ .state = node->state, .node_id = node->config.node_id, .links = node->links_open };
}

struct node_health node_health(const struct node *node)
{
    return (struct node_health){ .state = node->state, .node_id = node->config.node_id };
}

uint32_t node_members(const struct node *node, uint32_t first, struct node_member *list, uint32_t max)
{
    (void)max;
    if (first > 0) return 0;
    list[0] = (struct node_member){
        .node_id = node->config.node_id, .address = "a:1", .state = MEMBER_LEADER, .registered = true, .partitions = 2
    };
    return 1;
}

bool node_next_partition(const struct node *node, uint64_t *place, struct node_partition *partition)
{
    if ((*place)++ > 0) return false;
    *partition = (struct node_partition){
        .topic = "t",
        .leader = node->config.node_id,
        .replica_count = 2,
        .replicas = { 1, 2 },
        .isr_count = 1,
        .isr = { 1 },
        .min_isr = 1,
        .is_here = true,
        .high_watermark = 7,
        .log_end_offset = 9,
        .size = 100,
        .is_led = true,
        .follower_count = 1,
        .followers = { { .node_id = 2, .streaming = true, .lag_records = 2, .lag_size = 40, .lag_ms = 1500 } }
    };
    return true;
}

uint64_t node_deadline_ns(const struct node *node)
{
    uint64_t deadline_ns = UINT64_MAX;

    for (uint32_t i = 0; i < node->links_used; i++) {
        const struct fake_link *link = &node->links[i];
        if (link->open && link->asleep) deadline_ns = MIN(deadline_ns, link->wake_ns);
    }
    return deadline_ns;
}

static void receive(struct fake_link *link, struct effects *effects)
{
    /* Large frames go straight into the buffer, heads are taken from memory that the host lends. */
    effects_add(effects, EFFECT_RECEIVE)->receive = (struct effect_receive){
        .link = link->number,
        .into = link->filled >= 4 ? link->request + link->filled : NULL,
        .size = link->filled >= 4 ? 4 + load_u32(link->request) - link->filled : 4 - link->filled,
    };
}

static void answer(struct fake_link *link, uint32_t extra_pieces, struct effects *effects)
{
    uint32_t count = 0;
    uint64_t size = 1 + (uint64_t)link->result_size;

    for (uint32_t i = 0; i < extra_pieces; i++) size += link->send[2 + i].size;
    store_u32(link->head, (uint32_t)size);
    link->head[4] = link->result;
    link->send[count++] = (struct piece){ .data = link->head, .size = 5 };
    link->send[count++] = (struct piece){ .data = link->answer, .size = link->result_size };
    effects_add(effects, EFFECT_SEND)->send =
        (struct effect_send){ .link = link->number, .pieces = link->send, .piece_count = count + extra_pieces };
}

static struct effect_file *order_file(struct fake_link *link, enum file_action action, struct effects *effects)
{
    struct effect_file *file = &effects_add(effects, EFFECT_FILE)->file;

    *file = (struct effect_file){ .op = link->number, .action = action, .path = link->path, .to = link->to };
    link->orders++;
    return file;
}

static void order_write(struct fake_link *link, uint64_t position, struct bytes data, bool urgent,
                        struct effects *effects)
{
    /* In pieces of unequal size. */
    uint32_t count = 0, done = 0;
    while (done < data.size && count < PIECES_MAX - 1) {
        const uint32_t size = MIN(data.size - done, 1 + count * 7);
        link->pieces[count++] = (struct piece){ .data = data.data + done, .size = size };
        done += size;
    }
    link->pieces[count++] = (struct piece){ .data = data.data + done, .size = data.size - done };
    effects_add(effects, EFFECT_WRITE)->write = (struct effect_write){
        .op = link->number,
        .path = link->path,
        .position = position,
        .pieces = link->pieces,
        .piece_count = count,
        .urgent = urgent,
    };
    link->orders++;
}

static void order_sync(struct fake_link *link, bool urgent, struct effects *effects)
{
    effects_add(effects, EFFECT_SYNC)->sync =
        (struct effect_sync){ .op = link->number, .path = link->path, .urgent = urgent };
    link->orders++;
}

static void order_read(struct fake_link *link, uint64_t position, uint32_t size, struct effects *effects)
{
    effects_add(effects, EFFECT_READ)->read = (struct effect_read){
        .op = link->number, .path = link->path, .position = position, .into = link->answer, .size = size
    };
    link->orders++;
}

/* Writes to one path, each over the one before, then what only a host that keeps the order reads back. */
static void order_many(struct fake_link *link, uint32_t count, struct bytes data, struct effects *effects)
{
    for (uint32_t i = 0; i < count && i < 200; i++) {
        link->pieces[i % PIECES_MAX] = (struct piece){ .data = data.data + i % data.size, .size = 1 };
        effects_add(effects, EFFECT_WRITE)->write = (struct effect_write){
            .op = link->number,
            .path = link->path,
            .pieces = &link->pieces[i % PIECES_MAX],
            .piece_count = 1,
            .urgent = i % 2 == 0,
        };
        link->orders++;
        if (i % 3 == 0) order_sync(link, i % 2 == 0, effects);
    }
    order_read(link, 0, 1, effects);
}

struct request {
    uint64_t position;
    uint32_t count;
    struct bytes data;
};

/* ---- other nodes ---- */

static bool is_dialed(const struct node *node, uint32_t number)
{
    return number >= node->config.links_max + node->config.peer_links_max;
}

/* Says the request's data to who is at host `path` and port `count`, and answers with what that one answers; or with
 * result 1: unreached, 2: refused. Gives up after `position` ms. */
static void dial(struct node *node, struct fake_link *link, const struct request *request, struct effects *effects)
{
    const uint32_t number =
        node->config.links_max + node->config.peer_links_max + node->dials++ % node->config.peer_links_max;
    struct fake_link *dialed = &node->links[number];

    CHECK(!dialed->open);
    dialed->open = true;
    dialed->number = number;
    dialed->asker = link->number + 1;
    dialed->filled = 0;
    dialed->letter = request->data;
    dialed->asleep = request->position > 0;
    dialed->wake_ns = node->now_ns + request->position * 1000000;
    node->links_used = MAX(node->links_used, number + 1);
    node->links_open++;
    effects_add(effects, EFFECT_OPEN_LINK)->open_link =
        (struct effect_open_link){ number, LISTENER_NODE, (uint16_t)request->count, link->path };
}

static void on_reached(struct node *node, struct fake_link *link, struct effects *effects)
{
    CHECK(link->open && link->asker != 0 && node->links[link->asker - 1].open);
    link->asleep = false;
    link->send[0] = (struct piece){ .data = link->letter.data, .size = link->letter.size };
    effects_add(effects, EFFECT_SEND)->send = (struct effect_send){ link->number, 1, link->send };
}

static void pass_on(struct node *node, struct fake_link *link, struct effects *effects)
{
    struct fake_link *asker = &node->links[link->asker - 1];

    asker->result = link->request[4];
    asker->result_size = link->filled - 5;
    memcpy(asker->answer, link->request + 5, asker->result_size);
    answer(asker, 0, effects);
    link->letter.size = 0; /* it is answered */
    effects_add(effects, EFFECT_CLOSE_LINK)->close_link.link = link->number;
}

static void on_dialed_closed(struct node *node, const struct event_link_closed *closed, struct effects *effects)
{
    struct fake_link *link = &node->links[closed->link], *asker = &node->links[link->asker - 1];

    link->asleep = false;
    if (link->letter.size == 0 || !asker->open) return;
    asker->result = closed->refused ? 2 : 1;
    asker->result_size = 0;
    answer(asker, 0, effects);
}

static void serve_request(struct node *node, struct fake_link *link, const struct request *request,
                          struct effects *effects)
{
    const struct bytes data = request->data;
    const uint32_t count = request->count;
    const uint64_t position = request->position;

    switch (link->command) {
    case 'E':
        memcpy(link->answer, data.data, data.size);
        link->result_size = data.size;
        answer(link, 0, effects);
        break;
    case 'B':
        for (uint32_t i = 0; i < count && i < ANSWER_SIZE_MAX; i++) link->answer[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
        link->send[2] = (struct piece){ .data = link->answer, .size = count / 3 };
        link->send[3] = (struct piece){ .data = link->answer + count / 3, .size = 0 };
        link->send[4] = (struct piece){ .data = link->answer + count / 3, .size = count - count / 3 };
        answer(link, 3, effects);
        break;
    case 'G':
        link->send[2] = (struct piece){ .path = link->path, .position = position, .size = count / 2 };
        link->send[3] =
            (struct piece){ .path = link->path, .position = position + count / 2, .size = count - count / 2 };
        answer(link, 2, effects);
        break;
    case 'W': order_write(link, position, data, false, effects); break;
    case 'S': order_sync(link, false, effects); break;
    case 'P':
        order_write(link, position, data, true, effects);
        order_sync(link, true, effects);
        break;
    case 'R': order_read(link, position, MIN(count, ANSWER_SIZE_MAX), effects); break;
    case 'O': order_many(link, count, data, effects); break;
    case 'M': order_file(link, FILE_MAKE_DIRECTORY, effects); break;
    case 'T': order_file(link, FILE_TRUNCATE, effects)->size = position; break;
    case 'U': order_file(link, FILE_UNLINK, effects); break;
    case 'N': order_file(link, FILE_RENAME, effects); break;
    case 'Y': order_file(link, FILE_SYNC_DIRECTORY, effects); break;
    case 'L': {
        struct effect_file *file = order_file(link, FILE_LIST, effects);
        file->into = link->answer;
        file->size = count;
        break;
    }
    case 'D':
        link->asleep = true;
        link->wake_ns = node->now_ns + (uint64_t)count * 1000000;
        return;
    case 'Z': dial(node, link, request, effects); return;
    case 'C': effects_add(effects, EFFECT_CLOSE_LINK)->close_link.link = link->number; return;
    case 'X': effects_add(effects, EFFECT_HALT)->halt = (struct effect_halt){ count, "here" }; return;
    case 'I':
        store_u64(link->answer, node->links_open);
        store_u64(link->answer + 8, node->received);
        link->result_size = 16;
        answer(link, 0, effects);
        break;
    default: effects_add(effects, EFFECT_CLOSE_LINK)->close_link.link = link->number; return;
    }
}

/* Takes a whole frame apart. */
static void serve(struct node *node, struct fake_link *link, struct effects *effects)
{
    const uint32_t frame_size = 4 + load_u32(link->request);
    const uint16_t path_size = load_u16(link->request + 5);
    const uint8_t *at = link->request + HEAD_SIZE;

    if (frame_size < HEAD_SIZE + 12u + path_size || path_size >= sizeof link->path) {
        effects_add(effects, EFFECT_CLOSE_LINK)->close_link.link = link->number;
        return;
    }
    memcpy(link->path, at, path_size);
    link->path[path_size] = 0;
    const uint64_t position = load_u64(at + path_size);
    const uint32_t count = load_u32(at + path_size + 8);
    const struct bytes data = { at + path_size + 12, frame_size - HEAD_SIZE - path_size - 12 };
    const uint32_t to_size = MIN(data.size, sizeof link->to - 1);
    memcpy(link->to, data.data, to_size);
    link->to[to_size] = 0;
    link->command = link->request[4];
    link->result = DISK_DONE;
    link->result_size = 0;
    link->filled = 0;

    serve_request(node, link, &(struct request){ position, count, data }, effects);
}

static void on_received(struct node *node, const struct event_received *received, struct effects *effects)
{
    struct fake_link *link = &node->links[received->link];

    node->received += received->size;
    if (received->data != link->request + link->filled) {
        memcpy(link->request + link->filled, received->data, received->size);
    }
    link->filled += received->size;
    if (link->filled == 4 && load_u32(link->request) > REQUEST_SIZE_MAX - 4) {
        effects_add(effects, EFFECT_CLOSE_LINK)->close_link.link = link->number;
        NOTE(effects, FRAME_REFUSED, (int64_t)link->number, (int64_t)load_u32(link->request));
        return;
    }
    if (link->filled < 4 || link->filled < 4 + load_u32(link->request)) receive(link, effects);
    else if (link->asker != 0) pass_on(node, link, effects);
    else serve(node, link, effects);
}

static void on_disk(struct node *node, const struct event_disk *disk, struct effects *effects)
{
    struct fake_link *link = &node->links[disk->op];

    CHECK(link->orders > 0);
    link->orders--;
    if (disk->result != DISK_DONE) link->result = (uint8_t)disk->result;
    if (disk->size > 0) link->result_size = disk->size;
    if (disk->more) link->result |= 0x80;
    if (link->orders == 0 && link->open && link->command != 0) answer(link, 0, effects);
}

void node_step(struct node *node, const struct event *event, struct effects *effects)
{
    CHECK(effects->count == 0 && node->now_ns <= event->mono_ns);
    node->now_ns = event->mono_ns;
    switch (event->type) {
    case EVENT_STARTED:
        node->state = NODE_SERVING;
        NOTE(effects, STARTED, node->config.node_id, 0, 0, 0);
        break;
    case EVENT_TIME_PASSED:
        for (uint32_t i = 0; i < node->links_used; i++) {
            struct fake_link *link = &node->links[i];
            if (!link->open || !link->asleep || link->wake_ns > node->now_ns) continue;
            link->asleep = false;
            if (link->asker != 0) effects_add(effects, EFFECT_CLOSE_LINK)->close_link.link = link->number;
            else answer(link, 0, effects);
        }
        break;
    case EVENT_LINK_OPENED: {
        if (is_dialed(node, event->link_opened.link)) {
            on_reached(node, &node->links[event->link_opened.link], effects);
            break;
        }
        struct fake_link *link = &node->links[event->link_opened.link];
        CHECK(!link->open);
        link->open = true;
        link->asleep = false;
        link->filled = 0;
        link->asker = 0;
        link->number = event->link_opened.link;
        node->links_used = MAX(node->links_used, link->number + 1);
        node->links_open++;
        /* The disk may still answer for who had this number before. */
        if (link->orders > 0) effects_add(effects, EFFECT_CLOSE_LINK)->close_link.link = link->number;
        else receive(link, effects);
        break;
    }
    case EVENT_LINK_CLOSED:
        CHECK(node->links[event->link_closed.link].open);
        if (is_dialed(node, event->link_closed.link)) on_dialed_closed(node, &event->link_closed, effects);
        node->links[event->link_closed.link].open = false;
        node->links[event->link_closed.link].command = 0;
        node->links_open--;
        break;
    case EVENT_RECEIVED: on_received(node, &event->received, effects); break;
    case EVENT_SENT: receive(&node->links[event->sent.link], effects); break;
    case EVENT_WRITTEN:
    case EVENT_SYNCED:
    case EVENT_READ_DONE:
    case EVENT_FILE_DONE: on_disk(node, &event->disk, effects); break;
    case EVENT_STOP_ASKED:
        node->state = NODE_STOPPING;
        NOTE(effects, STOPPED, 0);
        effects_add(effects, EFFECT_HALT)->halt = (struct effect_halt){ .reason = HALT_STOPPED };
        break;
    }
}

#endif
