#include "net.h"

#include "base/check.h"
#include "dial.h"
#include "log.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    LISTENERS_MAX = 4,
    ACCEPTS_PER_TURN = 64, /* then the links that are open get their turn */
    STALL_CHECK_MS = 1000,
    ACCEPT_RETRY_MS = 100, /* after the system had no descriptor or memory for a connection */
};

struct listening {
    uv_poll_t poll;
    uv_timer_t retry;
    struct net *net;
    int fd;
    enum listener listener;
    bool is_open;
};

/* Link numbers that are given out together; see base/effect.h. */
enum range_kind { RANGE_CLIENTS, RANGE_PEERS, RANGE_DIALED, RANGE_COUNT };

struct range {
    uint32_t first, max;
    uint32_t used;       /* the first so many have been used at least once */
    struct stream *free; /* used before; where the core gives the numbers, it keeps them too */
};

struct net {
    uv_loop_t *loop;
    struct net_config config;
    struct listening listenings[LISTENERS_MAX];
    uint32_t listening_count;
    int reserve_fd; /* given up for a moment to refuse a connection when there are no descriptors */
    uv_timer_t stall_timer;
    struct stream *streams; /* of all ranges */
    size_t streams_memory;  /* bytes reserved for them */
    struct range ranges[RANGE_COUNT];
    struct stream_common common;
};

/* ---- accepting ---- */

static struct range *range_of(struct net *net, enum listener listener)
{
    const bool is_client = listener == LISTENER_KAFKA || listener == LISTENER_OPERATOR;

    return &net->ranges[is_client ? RANGE_CLIENTS : RANGE_PEERS];
}

static struct stream *free_stream(struct net *net, struct range *range)
{
    struct stream *stream = range->free;

    if (stream != NULL) {
        range->free = stream->next;
    } else if (range->used < range->max) {
        stream = &net->streams[range->first + range->used];
        stream->number = range->first + range->used++;
    }
    return stream;
}

/* The core chooses: a number that is free, as far as it knows. */
static struct stream *stream_to_dial(struct net *net, uint32_t number)
{
    struct range *range = &net->ranges[RANGE_DIALED];

    CHECK(number >= range->first && number - range->first < range->max);
    for (; range->used <= number - range->first; range->used++) {
        net->streams[range->first + range->used].number = range->first + range->used;
    }
    return &net->streams[number];
}

/* A stream that has been used. */
static struct stream *stream_of(struct net *net, uint32_t number)
{
    uint32_t kind = 0;

    while (kind < RANGE_COUNT - 1 && number - net->ranges[kind].first >= net->ranges[kind].max) kind++;
    CHECK(number - net->ranges[kind].first < net->ranges[kind].used);
    return &net->streams[number];
}

static void give_back(struct net *net, struct stream *stream)
{
    if (stream->number >= net->ranges[RANGE_DIALED].first) return; /* the core keeps those */
    struct range *range = range_of(net, stream->listener);
    stream->next = range->free;
    range->free = stream;
}

static void refuse(struct net *net, int fd, const struct sockaddr_storage *address, const char *why)
{
    char peer[PEER_SIZE_MAX];

    close(fd);
    net->common.counts.refused++;
    dial_format_peer((const struct sockaddr *)address, peer, sizeof peer);
    log_line(NOTE_WARNING, "refused", "connection from %s closed: %s", peer, why);
}

/* One connection waits and there is no descriptor for it. It would make the listener ready for ever, so the reserve is
 * given up, the connection taken and closed, and the reserve taken back. */
static void refuse_without_descriptor(struct net *net, int listening_fd)
{
    struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
    socklen_t size = sizeof address;

    if (net->reserve_fd >= 0) close(net->reserve_fd);
    const int fd = accept4(listening_fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) refuse(net, fd, &address, "no file descriptors are left (raise ulimit -n)");
    net->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_retry(uv_timer_t *timer)
{
    struct listening *listening = timer->data;

    if (listening->is_open) uv_poll_start(&listening->poll, UV_READABLE, on_acceptable);
}

/* False: no more for now. */
static bool accept_one(struct net *net, struct listening *listening)
{
    struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
    socklen_t size = sizeof address;

    const int fd = accept4(listening->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
        const int error = errno;
        if (error == EMFILE || error == ENFILE) refuse_without_descriptor(net, listening->fd);
        if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
            uv_poll_stop(&listening->poll);
            uv_timer_start(&listening->retry, on_retry, ACCEPT_RETRY_MS, 0);
            return false;
        }
        return true; /* that connection is gone already (ECONNABORTED and its like): the next one */
    }
    struct stream *stream = free_stream(net, range_of(net, listening->listener));
    if (stream == NULL) {
        refuse(net, fd, &address,
               listening->listener == LISTENER_KAFKA
                   ? "there are as many connections as limits.connections_max allows"
                   : "there are as many connections as limits.peer_connections_max allows");
        return true;
    }
    dial_prepare_socket(fd);
    char peer[PEER_SIZE_MAX];
    dial_format_peer((const struct sockaddr *)&address, peer, sizeof peer);
    if (stream_open(&net->common, stream, fd, listening->listener, peer)) {
        net->common.counts.accepted++;
    } else {
        give_back(net, stream);
        refuse(net, fd, &address, "the system watches as many sockets as it can");
    }
    return true;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct listening *listening = poll->data;
    (void)status;
    (void)events;

    for (uint32_t i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (!accept_one(listening->net, listening)) return;
    }
}

bool net_adopt(struct net *net, int fd, enum listener listener)
{
    struct stream *stream = free_stream(net, range_of(net, listener));

    if (stream != NULL && stream_open(&net->common, stream, fd, listener, "operator")) return true;
    if (stream != NULL) give_back(net, stream);
    close(fd);
    return false;
}

void net_listen(struct net *net, int fd, enum listener listener)
{
    CHECK(net->listening_count < LISTENERS_MAX);
    struct listening *listening = &net->listenings[net->listening_count++];

    *listening = (struct listening){ .net = net, .fd = fd, .listener = listener, .is_open = true };
    CHECK(uv_poll_init(net->loop, &listening->poll, fd) == 0);
    CHECK(uv_timer_init(net->loop, &listening->retry) == 0);
    listening->poll.data = listening;
    listening->retry.data = listening;
}

void net_accept(struct net *net, enum listener listener)
{
    for (uint32_t i = 0; i < net->listening_count; i++) {
        struct listening *listening = &net->listenings[i];
        if (listening->is_open && listening->listener == listener)
            CHECK(uv_poll_start(&listening->poll, UV_READABLE, on_acceptable) == 0);
    }
}

void net_accept_end(struct net *net, enum listener listener)
{
    for (uint32_t i = 0; i < net->listening_count; i++) {
        struct listening *listening = &net->listenings[i];
        if (!listening->is_open || listening->listener != listener) continue;
        listening->is_open = false;
        uv_close((uv_handle_t *)&listening->poll, NULL);
        uv_close((uv_handle_t *)&listening->retry, NULL);
        close(listening->fd);
    }
}

/* ---- the table ---- */

struct net *net_new(uv_loop_t *loop, struct files *files, struct disk *disk, const struct net_config *config)
{
    struct net *net = calloc(1, sizeof *net);

    CHECK(config->links_max > 0);
    const size_t streams_memory = (config->links_max + 2 * (size_t)config->peer_links_max) * sizeof(struct stream);
    struct stream *streams =
        mmap(NULL, streams_memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *scratch = malloc(STREAM_SCRATCH_SIZE);
    if (net == NULL || streams == MAP_FAILED || scratch == NULL || uv_timer_init(loop, &net->stall_timer) != 0) {
        log_line(NOTE_ERROR, "memory", "cannot start: no memory for %u connections", config->links_max);
        return NULL;
    }
    net->loop = loop;
    net->config = *config;
    net->streams = streams;
    net->streams_memory = streams_memory;
    net->ranges[RANGE_CLIENTS] = (struct range){ .first = 0, .max = config->links_max };
    net->ranges[RANGE_PEERS] = (struct range){ .first = config->links_max, .max = config->peer_links_max };
    net->ranges[RANGE_DIALED] =
        (struct range){ .first = config->links_max + config->peer_links_max, .max = config->peer_links_max };
    net->common = (struct stream_common){ .loop = loop, .disk = disk, .files = files, .scratch = scratch };
    net->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    net->stall_timer.data = net;
    return net;
}

/* Runs only while some link has something to send that it does not take: an idle node sleeps. */
static void on_stall_timer(uv_timer_t *timer)
{
    struct net *net = timer->data;
    bool some_wait = false;

    for (const struct range *range = net->ranges; range < net->ranges + RANGE_COUNT; range++) {
        for (uint32_t i = 0; i < range->used; i++) {
            if (stream_check_stall(&net->streams[range->first + i], net->config.send_stall_ms)) some_wait = true;
        }
    }
    if (!some_wait) uv_timer_stop(timer);
}

void net_order(struct net *net, const struct effect *effect)
{
    if (effect->type == EFFECT_OPEN_LINK) {
        stream_dial(&net->common, stream_to_dial(net, effect->open_link.link), &effect->open_link);
    } else if (effect->type == EFFECT_RECEIVE) {
        stream_receive(stream_of(net, effect->receive.link), &effect->receive);
    } else if (effect->type == EFFECT_SEND) {
        struct stream *stream = stream_of(net, effect->send.link);
        stream_send(stream, &effect->send);
        if (stream->sending.active && !uv_is_active((uv_handle_t *)&net->stall_timer)) {
            uv_timer_start(&net->stall_timer, on_stall_timer, STALL_CHECK_MS, STALL_CHECK_MS);
        }
    } else {
        CHECK(effect->type == EFFECT_CLOSE_LINK);
        stream_close(stream_of(net, effect->close_link.link));
    }
}

bool net_next(struct net *net, struct event *event)
{
    for (struct stream *stream; (stream = stream_take_ready(&net->common)) != NULL;) {
        if (!stream_tell(stream, event)) continue;
        if (stream->state == STREAM_FREE) give_back(net, stream);
        return true;
    }
    return false;
}

bool net_is_ready(const struct net *net)
{
    return net->common.ready_first != NULL;
}

void net_on_warmed(struct net *net, uint64_t tag, struct file *file)
{
    struct stream *stream = stream_of(net, (uint32_t)tag);

    if (stream_tag(stream) == tag) stream_on_warmed(stream, file);
    else if (file != NULL) files_put(net->common.files, file);
}

bool net_is_resolving(const struct net *net)
{
    return net->common.resolving > 0;
}

struct net_counts net_counts(const struct net *net)
{
    return net->common.counts;
}

void net_check(const struct net *net)
{
    for (const struct range *range = net->ranges; range < net->ranges + RANGE_COUNT; range++) {
        for (uint32_t i = 0; i < range->used; i++) stream_check(&net->streams[range->first + i]);
    }
}

void net_close(struct net *net)
{
    net_accept_end(net, LISTENER_KAFKA);
    net_accept_end(net, LISTENER_NODE);
    net_accept_end(net, LISTENER_WAL);
    for (const struct range *range = net->ranges; range < net->ranges + RANGE_COUNT; range++) {
        for (uint32_t i = 0; i < range->used; i++) stream_close(&net->streams[range->first + i]);
    }
    uv_close((uv_handle_t *)&net->stall_timer, NULL);
    if (net->reserve_fd >= 0) close(net->reserve_fd);
}

void net_free(struct net *net)
{
    dial_free_late(&net->common);
    munmap(net->streams, net->streams_memory);
    free(net->common.scratch);
    free(net);
}
