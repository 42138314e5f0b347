#include "link.h"

#include "base/check.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    VECTOR_MAX = 128,                 /* memory pieces in one sendmsg */
    FILE_UNIT_SIZE = 256 * 1024,      /* of a file range sent, or warmed, at a time */
    SEND_TURN_SIZE = 2 * 1024 * 1024, /* then other links get their turn */
};

/* ---- the list of ready links ---- */

static bool is_to_be_read(const struct link *link)
{
    return link->state == LINK_OPEN && link->readable && link->receiving.size > 0;
}

static bool is_ready(const struct link *link)
{
    return link->opened || link->sent || link->closed || is_to_be_read(link);
}

static void list_if_ready(struct link *link)
{
    struct link_common *common = link->common;

    if (link->listed || !is_ready(link)) return;
    link->listed = true;
    link->next = NULL;
    if (common->ready_last != NULL) common->ready_last->next = link;
    else common->ready_first = link;
    common->ready_last = link;
}

struct link *link_take_ready(struct link_common *common)
{
    struct link *link = common->ready_first;

    if (link == NULL) return NULL;
    common->ready_first = link->next;
    if (common->ready_first == NULL) common->ready_last = NULL;
    link->listed = false;
    return link;
}

uint64_t link_tag(const struct link *link)
{
    return (uint64_t)link->generation << 32 | link->number;
}

/* ---- watching ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

/* Tells libuv what to look for, if that is something new: each change costs system calls. So a link that is being read
 * stays watched from one read to the next, and is let go only when it has something that nobody asked for. */
static void watch(struct link *link)
{
    int events = link->sending.blocked ? UV_WRITABLE : 0;

    if (link->readable) {
        if (link->receiving.size > 0) events |= link->watched & UV_READABLE;
    } else if (link->receiving.size > 0) {
        events |= UV_READABLE;
    } else {
        events |= link->watched & UV_READABLE;
    }
    if (events == link->watched) return;
    link->watched = events;
    if (events == 0) uv_poll_stop(&link->poll);
    else CHECK(uv_poll_start(&link->poll, events, on_poll) == 0);
}

static void lose(struct link *link, const char *doing, int error)
{
    link->common->counts.lost++;
    log_line(NOTE_DEBUG, "link_lost", "connection %u from %s lost: cannot %s: %s", link->number, link->peer, doing,
             strerror(error));
    link_close(link);
}

/* ---- receiving ---- */

void link_receive(struct link *link, const struct effect_receive *order)
{
    if (link->state != LINK_OPEN) return; /* EVENT_LINK_CLOSED answers */
    CHECK(link->receiving.size == 0);
    CHECK(order->size > 0);
    link->receiving = (struct receiving){ order->into, order->size };
    watch(link);
    list_if_ready(link);
}

/* True if something came. */
static bool receive(struct link *link, struct event *event)
{
    const bool lends = link->receiving.into == NULL;
    uint8_t *into = lends ? link->common->scratch : link->receiving.into;
    const uint32_t size = lends ? MIN(link->receiving.size, LINK_SCRATCH_SIZE) : link->receiving.size;

    const ssize_t got = recv(link->fd, into, size, 0);
    if (got == 0) {
        link_close(link);
        return false;
    }
    if (got < 0) {
        if (errno == EINTR) return false; /* still ready */
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            lose(link, "receive", errno);
            return false;
        }
        link->readable = false;
        watch(link);
        return false;
    }
    link->common->counts.received_size += (uint64_t)got;
    link->receiving = (struct receiving){ NULL, 0 };
    link->readable = (uint32_t)got == size; /* a short read has emptied it */
    event->type = EVENT_RECEIVED;
    event->received = (struct event_received){ .link = link->number, .size = (uint32_t)got, .data = into };
    return true;
}

/* ---- sending ---- */

static void drop_file(struct link *link)
{
    if (link->sending.file == NULL) return;
    files_put(link->common->files, link->sending.file);
    link->sending.file = NULL;
}

/* `size` bytes are gone: the position moves on over the pieces. */
static void advance(struct link *link, uint64_t size)
{
    struct sending *sending = &link->sending;

    link->common->counts.sent_size += size;
    if (size > 0) sending->progress_ms = uv_now(link->common->loop);
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
        drop_file(link);
    }
    CHECK(size == 0);
}

/* Bytes sent, or -1 with errno. */
static ssize_t send_memory(const struct link *link)
{
    const struct sending *sending = &link->sending;
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
    return sendmsg(link->fd, &message, MSG_NOSIGNAL | more);
}

enum file_state { FILE_WARM, FILE_COLD };

/* Whether the next unit of the present piece can be sent without waiting for the disk. */
static enum file_state look_at_file(struct link *link, uint32_t unit)
{
    struct sending *sending = &link->sending;
    const struct piece *piece = &sending->pieces[sending->piece];
    const uint64_t position = piece->position + sending->done;

    if (sending->file == NULL) sending->file = files_get(link->common->files, piece->path, FILES_CACHED);
    if (sending->file == NULL) return FILE_COLD;
    if (position + unit <= sending->warm_end) return FILE_WARM;
    return disk_is_warm(sending->file, position, unit) ? FILE_WARM : FILE_COLD;
}

static void warm(struct link *link, uint32_t unit)
{
    struct sending *sending = &link->sending;
    const struct piece *piece = &sending->pieces[sending->piece];
    const uint64_t position = piece->position + sending->done;

    sending->warming = true;
    sending->warm_end = position + unit;
    link->common->counts.warmed++;
    disk_warm(link->common->disk, piece->path, sending->file, position, unit, link_tag(link));
    sending->file = NULL;
}

/* Bytes sent; 0: the file ends before the range does; -1 with errno. */
static ssize_t send_file(const struct link *link, uint32_t unit)
{
    const struct sending *sending = &link->sending;
    off_t position = (off_t)(sending->pieces[sending->piece].position + sending->done);

    return sendfile(link->fd, sending->file->fd, &position, unit);
}

/* Sends what the socket takes. Leaves the order done, blocked, warming, or the link closing. */
static void send_on(struct link *link)
{
    struct sending *sending = &link->sending;
    uint64_t turn_size = 0;

    sending->blocked = false;
    while (sending->piece < sending->piece_count && turn_size < SEND_TURN_SIZE) {
        const struct piece *piece = &sending->pieces[sending->piece];
        ssize_t sent = 0;
        if (piece->size == sending->done) {
            advance(link, 0);
            continue;
        }
        if (piece->data != NULL) {
            sent = send_memory(link);
        } else {
            const uint32_t unit = MIN(piece->size - sending->done, FILE_UNIT_SIZE);
            if (look_at_file(link, unit) == FILE_COLD) {
                warm(link, unit);
                watch(link);
                return;
            }
            sent = send_file(link, unit);
            if (sent == 0) {
                log_line(NOTE_ERROR, "file_short", "connection %u closed: %s ends before what was to be sent from it",
                         link->number, piece->path);
                link->common->counts.lost++;
                link_close(link);
                return;
            }
        }
        if (sent < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK) break;
            lose(link, "send", errno);
            return;
        }
        turn_size += (uint64_t)sent;
        advance(link, (uint64_t)sent);
    }
    if (sending->piece == sending->piece_count) {
        *sending = (struct sending){ .active = false };
        link->sent = true;
        list_if_ready(link);
    } else {
        sending->blocked = true;
    }
    watch(link);
}

void link_send(struct link *link, const struct effect_send *order)
{
    if (link->state != LINK_OPEN) return; /* EVENT_LINK_CLOSED answers */
    CHECK(!link->sending.active && !link->sent);
    link->sending = (struct sending){
        .active = true,
        .pieces = order->pieces,
        .piece_count = order->piece_count,
        .progress_ms = uv_now(link->common->loop),
    };
    send_on(link);
}

void link_on_warmed(struct link *link, struct file *file)
{
    CHECK(link->sending.warming && link->sending.file == NULL);
    link->sending.warming = false;
    if (file == NULL) {
        log_line(NOTE_ERROR, "file_lost", "connection %u closed: what was to be sent cannot be read", link->number);
        link->common->counts.lost++;
        link_close(link);
        return;
    }
    link->sending.file = file;
    link->sending.progress_ms = uv_now(link->common->loop);
    send_on(link);
}

bool link_check_stall(struct link *link, uint64_t stall_ms)
{
    if (link->state != LINK_OPEN || !link->sending.active) return false;
    if (link->sending.warming) return true; /* for our disk, not for the client */
    if (uv_now(link->common->loop) - link->sending.progress_ms < stall_ms) return true;
    log_line(NOTE_WARNING, "link_stalled", "connection %u from %s closed: it took nothing for %llu ms", link->number,
             link->peer, (unsigned long long)stall_ms);
    link->common->counts.stalled++;
    link_close(link);
    return false;
}

/* ---- its life ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct link *link = poll->data;

    /* libuv has stopped looking at a socket with an error; reading or writing says which it is. */
    if (status < 0) link->watched = 0;
    if (status < 0 || (events & UV_READABLE) != 0) link->readable = true;
    if (link->sending.blocked && (status < 0 || (events & UV_WRITABLE) != 0)) send_on(link);
    if (link->state != LINK_OPEN) return;
    watch(link);
    list_if_ready(link);
}

bool link_open(struct link_common *common, struct link *link, int fd, enum listener listener, const char *peer)
{
    const uint32_t number = link->number, generation = link->generation;

    CHECK(link->state == LINK_FREE);
    memset(link, 0, sizeof *link);
    link->common = common;
    link->number = number;
    link->generation = generation + 1;
    link->fd = fd;
    link->state = LINK_OPEN;
    link->listener = listener;
    memcpy(link->peer, peer, strlen(peer) + 1);
    if (uv_poll_init(common->loop, &link->poll, fd) != 0) {
        link->state = LINK_FREE;
        return false;
    }
    link->poll.data = link;
    link->opened = true;
    common->counts.links++;
    list_if_ready(link);
    return true;
}

static void on_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;

    link->closed = true;
    list_if_ready(link);
}

void link_close(struct link *link)
{
    if (link->state != LINK_OPEN) return;
    link->state = LINK_CLOSING;
    link->receiving = (struct receiving){ NULL, 0 };
    drop_file(link);
    link->sending = (struct sending){ .active = false };
    link->sent = false;
    link->generation++; /* a range being warmed for it comes back to nobody */
    uv_close((uv_handle_t *)&link->poll, on_closed);
    close(link->fd);
}

bool link_tell(struct link *link, struct event *event)
{
    bool told = true;

    if (link->opened) {
        link->opened = false;
        event->type = EVENT_LINK_OPENED;
        event->link_opened = (struct event_link_opened){
            .link = link->number,
            .listener = link->listener,
            .peer = { (const uint8_t *)link->peer, (uint32_t)strlen(link->peer) },
        };
    } else if (link->closed) {
        link->closed = false;
        link->state = LINK_FREE;
        link->common->counts.links--;
        event->type = EVENT_LINK_CLOSED;
        event->link_closed = (struct event_link_closed){ .link = link->number };
    } else if (link->sent) {
        link->sent = false;
        event->type = EVENT_SENT;
        event->sent = (struct event_sent){ .link = link->number };
    } else {
        told = is_to_be_read(link) && receive(link, event);
    }
    list_if_ready(link);
    return told;
}

void link_check(const struct link *link)
{
    CHECK(link->listed == is_ready(link));
    if (link->state == LINK_OPEN) return;
    CHECK(link->receiving.size == 0 && !link->sending.active && link->sending.file == NULL);
    CHECK(!link->sent);
}
