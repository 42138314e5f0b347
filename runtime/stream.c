#include "stream.h"

#include "base/check.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    VECTOR_MAX = 256,                 /* memory pieces in one sendmsg */
    FILE_UNIT_SIZE = 256 * 1024,      /* of a file range sent, or warmed, at a time */
    SEND_TURN_SIZE = 2 * 1024 * 1024, /* then other links get their turn */
};

/* ---- the list of ready links ---- */

static bool is_to_be_read(const struct stream *stream)
{
    return stream->state == STREAM_OPEN && stream->readable && stream->receiving.size > 0;
}

static bool is_ready(const struct stream *stream)
{
    return stream->opened || stream->sent || stream->closed || is_to_be_read(stream);
}

static void list_if_ready(struct stream *stream)
{
    struct stream_common *common = stream->common;

    if (stream->listed || !is_ready(stream)) return;
    stream->listed = true;
    stream->next = NULL;
    if (common->ready_last != NULL) common->ready_last->next = stream;
    else common->ready_first = stream;
    common->ready_last = stream;
}

struct stream *stream_take_ready(struct stream_common *common)
{
    struct stream *stream = common->ready_first;

    if (stream == NULL) return NULL;
    common->ready_first = stream->next;
    if (common->ready_first == NULL) common->ready_last = NULL;
    stream->listed = false;
    return stream;
}

uint64_t stream_tag(const struct stream *stream)
{
    return (uint64_t)stream->generation << 32 | stream->number;
}

/* ---- watching ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

/* Tells libuv what to look for, if that is something new: each change costs system calls. So a link that is being read
 * stays watched from one read to the next, and is let go only when it has something that nobody asked for. */
static void watch(struct stream *stream)
{
    int events = stream->sending.blocked ? UV_WRITABLE : 0;

    if (stream->readable) {
        if (stream->receiving.size > 0) events |= stream->watched & UV_READABLE;
    } else if (stream->receiving.size > 0) {
        events |= UV_READABLE;
    } else {
        events |= stream->watched & UV_READABLE;
    }
    if (events == stream->watched) return;
    stream->watched = events;
    if (events == 0) uv_poll_stop(&stream->poll);
    else CHECK(uv_poll_start(&stream->poll, events, on_poll) == 0);
}

static void lose(struct stream *stream, const char *doing, int error)
{
    stream->common->counts.lost++;
    log_line(NOTE_DEBUG, "link_lost", "connection %u from %s lost: cannot %s: %s", stream->number, stream->peer, doing,
             strerror(error));
    stream_close(stream);
}

/* ---- receiving ---- */

void stream_receive(struct stream *stream, const struct effect_receive *order)
{
    if (stream->state != STREAM_OPEN) return; /* EVENT_LINK_CLOSED answers */
    CHECK(stream->receiving.size == 0);
    CHECK(order->size > 0);
    stream->receiving = (struct receiving){ order->into, order->size };
    watch(stream);
    list_if_ready(stream);
}

/* True if something came. */
static bool receive(struct stream *stream, struct event *event)
{
    const bool lends = stream->receiving.into == NULL;
    uint8_t *into = lends ? stream->common->scratch : stream->receiving.into;
    const uint32_t size = lends ? MIN(stream->receiving.size, STREAM_SCRATCH_SIZE) : stream->receiving.size;

    const ssize_t got = recv(stream->fd, into, size, 0);
    if (got == 0) {
        stream_close(stream);
        return false;
    }
    if (got < 0) {
        if (errno == EINTR) return false; /* still ready */
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            lose(stream, "receive", errno);
            return false;
        }
        stream->readable = false;
        watch(stream);
        return false;
    }
    stream->common->counts.received_size += (uint64_t)got;
    stream->receiving = (struct receiving){ NULL, 0 };
    stream->readable = (uint32_t)got == size; /* a short read has emptied it */
    event->type = EVENT_RECEIVED;
    event->received = (struct event_received){ .link = stream->number, .size = (uint32_t)got, .data = into };
    return true;
}

/* ---- sending ---- */

static void drop_file(struct stream *stream)
{
    if (stream->sending.file == NULL) return;
    files_put(stream->common->files, stream->sending.file);
    stream->sending.file = NULL;
}

/* `size` bytes are gone: the position moves on over the pieces. */
static void advance(struct stream *stream, uint64_t size)
{
    struct sending *sending = &stream->sending;

    stream->common->counts.sent_size += size;
    if (size > 0) sending->progress_ms = uv_now(stream->common->loop);
    while (sending->piece < sending->piece_count) {
        const uint32_t left = sending->pieces[sending->piece].size - sending->done;
        if (size < left) {
            sending->done += (uint32_t)size;
            return;
        }
        size -= left;
        sending->piece++;
        sending->done = 0;
        sending->warm_end = 0;
        drop_file(stream);
    }
    CHECK(size == 0);
}

/* Bytes sent, or -1 with errno. */
static ssize_t send_memory(const struct stream *stream)
{
    const struct sending *sending = &stream->sending;
    struct iovec vector[VECTOR_MAX];
    struct msghdr message = { .msg_iov = vector };
    uint32_t piece = sending->piece, done = sending->done;

    while (piece < sending->piece_count && message.msg_iovlen < VECTOR_MAX && sending->pieces[piece].data != NULL) {
        const struct piece *from = &sending->pieces[piece++];
        vector[message.msg_iovlen++] = (struct iovec){ (void *)(from->data + done), from->size - done };
        done = 0;
    }
    /* More of the same answer follows at once: the head shall not travel alone. */
    const int more = piece < sending->piece_count ? MSG_MORE : 0;
    return sendmsg(stream->fd, &message, MSG_NOSIGNAL | more);
}

enum file_state { FILE_WARM, FILE_COLD };

/* Whether the next unit of the present piece can be sent without waiting for the disk. */
static enum file_state look_at_file(struct stream *stream, uint32_t unit)
{
    struct sending *sending = &stream->sending;
    const struct piece *piece = &sending->pieces[sending->piece];
    const uint64_t position = piece->position + sending->done;

    if (sending->file == NULL) sending->file = files_get(stream->common->files, piece->path, FILES_CACHED);
    if (sending->file == NULL) return FILE_COLD;
    if (position + unit <= sending->warm_end) return FILE_WARM;
    return disk_is_warm(sending->file, position, unit) ? FILE_WARM : FILE_COLD;
}

static void warm(struct stream *stream, uint32_t unit)
{
    struct sending *sending = &stream->sending;
    const struct piece *piece = &sending->pieces[sending->piece];
    const uint64_t position = piece->position + sending->done;

    sending->warming = true;
    sending->warm_end = position + unit;
    stream->common->counts.warmed++;
    disk_warm(stream->common->disk, piece->path, sending->file, position, unit, stream_tag(stream));
    sending->file = NULL;
}

/* Bytes sent; 0: the file ends before the range does; -1 with errno. */
static ssize_t send_file(const struct stream *stream, uint32_t unit)
{
    const struct sending *sending = &stream->sending;
    off_t position = (off_t)(sending->pieces[sending->piece].position + sending->done);

    return sendfile(stream->fd, sending->file->fd, &position, unit);
}

/* Sends what the socket takes. Leaves the order done, blocked, warming, or the link closing. */
static void send_on(struct stream *stream)
{
    struct sending *sending = &stream->sending;
    uint64_t turn_size = 0;

    sending->blocked = false;
    while (sending->piece < sending->piece_count && turn_size < SEND_TURN_SIZE) {
        const struct piece *piece = &sending->pieces[sending->piece];
        ssize_t sent = 0;
        if (piece->size == sending->done) {
            advance(stream, 0);
            continue;
        }
        if (piece->data != NULL) {
            sent = send_memory(stream);
        } else {
            const uint32_t unit = MIN(piece->size - sending->done, FILE_UNIT_SIZE);
            if (look_at_file(stream, unit) == FILE_COLD) {
                warm(stream, unit);
                watch(stream);
                return;
            }
            sent = send_file(stream, unit);
            if (sent == 0) {
                log_line(NOTE_ERROR, "file_short", "connection %u closed: %s ends before what was to be sent from it",
                         stream->number, piece->path);
                stream->common->counts.lost++;
                stream_close(stream);
                return;
            }
        }
        if (sent < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK) break;
            lose(stream, "send", errno);
            return;
        }
        turn_size += (uint64_t)sent;
        advance(stream, (uint64_t)sent);
    }
    if (sending->piece == sending->piece_count) {
        *sending = (struct sending){ .active = false };
        stream->sent = true;
        list_if_ready(stream);
    } else {
        sending->blocked = true;
    }
    watch(stream);
}

void stream_send(struct stream *stream, const struct effect_send *order)
{
    if (stream->state != STREAM_OPEN) return; /* EVENT_LINK_CLOSED answers */
    CHECK(!stream->sending.active && !stream->sent);
    stream->sending = (struct sending){
        .active = true,
        .pieces = order->pieces,
        .piece_count = order->piece_count,
        .progress_ms = uv_now(stream->common->loop),
    };
    send_on(stream);
}

void stream_on_warmed(struct stream *stream, struct file *file)
{
    CHECK(stream->sending.warming && stream->sending.file == NULL);
    stream->sending.warming = false;
    if (file == NULL) {
        log_line(NOTE_ERROR, "file_lost", "connection %u closed: what was to be sent cannot be read", stream->number);
        stream->common->counts.lost++;
        stream_close(stream);
        return;
    }
    stream->sending.file = file;
    stream->sending.progress_ms = uv_now(stream->common->loop);
    send_on(stream);
}

bool stream_check_stall(struct stream *stream, uint64_t stall_ms)
{
    if (stream->state != STREAM_OPEN || !stream->sending.active) return false;
    if (stream->sending.warming) return true; /* for our disk, not for the client */
    if (uv_now(stream->common->loop) - stream->sending.progress_ms < stall_ms) return true;
    log_line(NOTE_WARNING, "link_stalled", "connection %u from %s closed: it took nothing for %llu ms", stream->number,
             stream->peer, (unsigned long long)stall_ms);
    stream->common->counts.stalled++;
    stream_close(stream);
    return false;
}

/* ---- its life ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;

    /* libuv has stopped looking at a socket with an error; reading or writing says which it is. */
    if (status < 0) stream->watched = 0;
    if (status < 0 || (events & UV_READABLE) != 0) stream->readable = true;
    if (stream->sending.blocked && (status < 0 || (events & UV_WRITABLE) != 0)) send_on(stream);
    if (stream->state != STREAM_OPEN) return;
    watch(stream);
    list_if_ready(stream);
}

/* A new use of the number. */
static void begin(struct stream_common *common, struct stream *stream, enum listener listener)
{
    const uint32_t number = stream->number, generation = stream->generation;

    CHECK(stream->state == STREAM_FREE);
    memset(stream, 0, sizeof *stream);
    stream->common = common;
    stream->number = number;
    stream->generation = generation + 1;
    stream->listener = listener;
}

/* The socket is there. */
static bool watch_socket(struct stream *stream, int fd, const char *peer)
{
    if (uv_poll_init(stream->common->loop, &stream->poll, fd) != 0) return false;
    stream->poll.data = stream;
    stream->fd = fd;
    stream->state = STREAM_OPEN;
    memcpy(stream->peer, peer, strlen(peer) + 1);
    stream->opened = true;
    list_if_ready(stream);
    return true;
}

bool stream_open(struct stream_common *common, struct stream *stream, int fd, enum listener listener, const char *peer)
{
    begin(common, stream, listener);
    if (!watch_socket(stream, fd, peer)) return false;
    common->counts.links++;
    return true;
}

/* ---- dialing ---- */

void stream_dial(struct stream_common *common, struct stream *stream, const struct effect_open_link *order)
{
    begin(common, stream, order->at);
    stream->state = STREAM_DIALING;
    common->counts.links++;
    common->counts.dialed++;
    stream->dial = dial_begin(common, stream, order);
    if (stream->dial == NULL) stream_on_unreached(stream, false);
}

void stream_on_connected(struct stream *stream, int fd, const char *peer)
{
    CHECK(stream->state == STREAM_DIALING);
    stream->dial = NULL;
    if (watch_socket(stream, fd, peer)) return;
    close(fd);
    stream_on_unreached(stream, false);
}

void stream_on_unreached(struct stream *stream, bool refused)
{
    CHECK(stream->state == STREAM_DIALING);
    stream->common->counts.unreached++;
    stream->dial = NULL;
    stream->refused = refused;
    stream->state = STREAM_CLOSING;
    stream->closed = true;
    list_if_ready(stream);
}

static void on_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;

    stream->closed = true;
    list_if_ready(stream);
}

void stream_close(struct stream *stream)
{
    if (stream->state == STREAM_DIALING) {
        dial_end(stream->dial);
        stream->dial = NULL;
        stream->state = STREAM_CLOSING;
        stream->closed = true;
        list_if_ready(stream);
        return;
    }
    if (stream->state != STREAM_OPEN) return;
    stream->state = STREAM_CLOSING;
    stream->receiving = (struct receiving){ NULL, 0 };
    drop_file(stream);
    stream->sending = (struct sending){ .active = false };
    stream->sent = false;
    stream->generation++; /* a range being warmed for it comes back to nobody */
    uv_close((uv_handle_t *)&stream->poll, on_closed);
    close(stream->fd);
}

bool stream_tell(struct stream *stream, struct event *event)
{
    bool told = true;

    if (stream->opened) {
        stream->opened = false;
        event->type = EVENT_LINK_OPENED;
        event->link_opened = (struct event_link_opened){
            .link = stream->number,
            .listener = stream->listener,
            .peer = { (const uint8_t *)stream->peer, (uint32_t)strlen(stream->peer) },
        };
    } else if (stream->closed) {
        stream->closed = false;
        stream->state = STREAM_FREE;
        stream->common->counts.links--;
        event->type = EVENT_LINK_CLOSED;
        event->link_closed = (struct event_link_closed){ .link = stream->number, .refused = stream->refused };
    } else if (stream->sent) {
        stream->sent = false;
        event->type = EVENT_SENT;
        event->sent = (struct event_sent){ .link = stream->number };
    } else {
        told = is_to_be_read(stream) && receive(stream, event);
    }
    list_if_ready(stream);
    return told;
}

void stream_check(const struct stream *stream)
{
    CHECK(stream->listed == is_ready(stream));
    CHECK((stream->state == STREAM_DIALING) == (stream->dial != NULL));
    if (stream->state == STREAM_OPEN) return;
    CHECK(stream->receiving.size == 0 && !stream->sending.active && stream->sending.file == NULL);
    CHECK(!stream->sent);
}
