#include "dial.h"

#include "base/check.h"
#include "base/hash.h"
#include "log.h"
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 500,      /* with an address that does not answer, if there is another one */
    LATE_USABLE_MS = 30000, /* then addresses that came too late are too old */
};

struct dial {
    uv_getaddrinfo_t request;
    uv_timer_t later; /* an end that was there at once is told in the loop's next turn; and patience */
    uv_poll_t poll;
    struct stream_common *common;
    struct stream *stream; /* NULL: nobody waits any more */
    struct addrinfo *infos, *next;
    struct addrinfo *owned; /* what is not libuv's: a literal's */
    uint32_t handles;       /* that libuv has: the timer, and the poll now and then */
    bool poll_open;
    int fd; /* being connected, while poll_open */
    uint32_t tried, refused;
    int error; /* errno, or a libuv code below zero */
    bool resolving;
    uint16_t port;
    char host[NI_MAXHOST];
};

void dial_prepare_socket(int fd)
{
    const int one = 1, idle_s = 60, interval_s = 15, probes = 4;

    /* A failure costs speed or patience with a dead peer, nothing else. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

void dial_format_peer(const struct sockaddr *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];

    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        snprintf(text, size, "%s:%u", inet_ntop(AF_INET, &in->sin_addr, host, sizeof host), ntohs(in->sin_port));
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        snprintf(text, size, "[%s]:%u", inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host), ntohs(in6->sin6_port));
    } else {
        snprintf(text, size, "unknown:0");
    }
}

/* ---- its end ---- */

static void try_next(struct dial *dial);

static void on_handle_closed(uv_handle_t *handle)
{
    struct dial *dial = handle->data;

    if (--dial->handles > 0) {
        if (dial->stream != NULL) try_next(dial);
        return;
    }
    if (dial->owned != NULL) freeaddrinfo(dial->owned);
    if (dial->infos != NULL) uv_freeaddrinfo(dial->infos);
    free(dial);
}

static void close_poll(struct dial *dial)
{
    dial->poll_open = false;
    uv_close((uv_handle_t *)&dial->poll, on_handle_closed);
}

/* It is freed when libuv has let go of the last handle. */
static void let_go(struct dial *dial)
{
    dial->stream = NULL;
    if (dial->poll_open) close_poll(dial);
    uv_close((uv_handle_t *)&dial->later, on_handle_closed);
}

static void fail(struct dial *dial, int error)
{
    dial->error = error;
    dial->refused += error == ECONNREFUSED;
}

/* Where it goes, as a number. */
static uint64_t address_of(const struct dial *dial)
{
    return hash_bytes(dial->port, (struct bytes){ (const uint8_t *)dial->host, (uint32_t)strlen(dial->host) });
}

/* Attempts are repeated for as long as it takes: an error is logged once for people, its repetitions for those who
 * debug. True if the last attempt at this address ended otherwise. */
static bool is_news(struct dial *dial, int error)
{
    const uint64_t address = address_of(dial);
    struct dial_end *end = &dial->common->dial_ends[address % DIAL_ENDS];
    const bool differs = end->address != address || end->error != error;

    *end = (struct dial_end){ address, error };
    return differs;
}

static void on_failed(uv_timer_t *timer)
{
    struct dial *dial = timer->data;
    const char *reason = dial->error < 0 ? uv_strerror(dial->error) : strerror(dial->error);

    log_line(is_news(dial, dial->error) ? NOTE_WARNING : NOTE_DEBUG, "unreached", "cannot reach %s:%u: %s", dial->host,
             dial->port, reason);
    stream_on_unreached(dial->stream, dial->tried > 0 && dial->refused == dial->tried);
    let_go(dial);
}

/* ---- connecting ---- */

/* A connection to a port of one's own that nobody listens at may meet itself. */
static bool is_to_itself(int fd)
{
    struct sockaddr_storage own, other;
    socklen_t own_size = sizeof own, other_size = sizeof other;

    memset(&own, 0, sizeof own);
    memset(&other, 0, sizeof other);
    return getsockname(fd, (struct sockaddr *)&own, &own_size) == 0 &&
           getpeername(fd, (struct sockaddr *)&other, &other_size) == 0 && own_size == other_size &&
           memcmp(&own, &other, own_size) == 0;
}

static int result_of(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
    if (error == 0 && is_to_itself(fd)) return ECONNREFUSED;
    return error;
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
    struct dial *dial = poll->data;
    const int error = result_of(dial->fd);
    struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
    socklen_t size = sizeof address;
    char peer[PEER_SIZE_MAX];
    (void)events;

    if (error != 0 || status < 0) {
        fail(dial, error != 0 ? error : status);
        close_poll(dial);
        close(dial->fd);
        return;
    }
    (void)is_news(dial, 0);
    struct stream *stream = dial->stream;
    const int fd = dial->fd;
    getpeername(fd, (struct sockaddr *)&address, &size);
    dial_format_peer((const struct sockaddr *)&address, peer, sizeof peer);
    let_go(dial); /* first: libuv watches a socket for one handle at a time */
    stream_on_connected(stream, fd, peer);
}

/* True if the connection is under way. */
static bool try_one(struct dial *dial, const struct addrinfo *info)
{
    dial->tried++;
    const int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        fail(dial, errno);
        return false;
    }
    dial_prepare_socket(fd);
    if (connect(fd, info->ai_addr, info->ai_addrlen) != 0 && errno != EINPROGRESS) {
        fail(dial, errno);
        close(fd);
        return false;
    }
    const int status = uv_poll_init(dial->common->loop, &dial->poll, fd);
    if (status != 0) {
        fail(dial, status);
        close(fd);
        return false;
    }
    dial->fd = fd;
    dial->poll_open = true;
    dial->handles++;
    dial->poll.data = dial;
    CHECK(uv_poll_start(&dial->poll, UV_WRITABLE, on_writable) == 0);
    return true;
}

/* The present address does not answer: the next one may. */
static void on_patience_over(uv_timer_t *timer)
{
    struct dial *dial = timer->data;
    const int fd = dial->fd;

    if (!dial->poll_open) return; /* it ended meanwhile, and the next one is on its way */
    fail(dial, ETIMEDOUT);
    close_poll(dial);
    close(fd);
}

static void try_next(struct dial *dial)
{
    uv_timer_stop(&dial->later);
    while (dial->next != NULL) {
        const struct addrinfo *info = dial->next;
        dial->next = info->ai_next;
        if (!try_one(dial, info)) continue;
        if (dial->next != NULL) CHECK(uv_timer_start(&dial->later, on_patience_over, PATIENCE_MS, 0) == 0);
        return;
    }
    CHECK(uv_timer_start(&dial->later, on_failed, 0, 0) == 0);
}

/* ---- names ---- */

static struct dial_late *late_of(struct dial *dial)
{
    struct dial_late *late = &dial->common->dial_late[address_of(dial) % DIAL_LATE];
    return late;
}

static void keep_late(struct dial *dial, struct addrinfo *infos)
{
    struct dial_late *late = late_of(dial);

    if (late->infos != NULL) uv_freeaddrinfo(late->infos);
    *late = (struct dial_late){ address_of(dial), uv_now(dial->common->loop), infos };
}

/* What an earlier attempt at this name was too short for. */
static struct addrinfo *take_late(struct dial *dial)
{
    struct dial_late *late = late_of(dial);
    struct addrinfo *infos = late->infos;

    if (infos == NULL || late->address != address_of(dial)) return NULL;
    late->infos = NULL;
    if (uv_now(dial->common->loop) - late->time_ms <= LATE_USABLE_MS) return infos;
    uv_freeaddrinfo(infos);
    return NULL;
}

void dial_free_late(struct stream_common *common)
{
    for (uint32_t i = 0; i < DIAL_LATE; i++) {
        if (common->dial_late[i].infos != NULL) uv_freeaddrinfo(common->dial_late[i].infos);
        common->dial_late[i].infos = NULL;
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *infos)
{
    struct dial *dial = request->data;

    dial->resolving = false;
    dial->common->resolving--;
    if (dial->stream == NULL) {
        if (status == 0) keep_late(dial, infos);
        let_go(dial);
        return;
    }
    dial->infos = dial->next = infos;
    if (status != 0) fail(dial, status);
    try_next(dial);
}

struct dial *dial_begin(struct stream_common *common, struct stream *stream, const struct effect_open_link *order)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST };
    struct dial *dial = calloc(1, sizeof *dial);
    char service[8];

    if (dial == NULL) return NULL;
    dial->common = common;
    dial->stream = stream;
    dial->port = order->port;
    snprintf(dial->host, sizeof dial->host, "%s", order->host);
    snprintf(service, sizeof service, "%u", order->port);
    CHECK(uv_timer_init(common->loop, &dial->later) == 0);
    dial->handles = 1;
    dial->later.data = dial;
    dial->request.data = dial;
    if (getaddrinfo(dial->host, service, &hints, &dial->owned) == 0) {
        dial->next = dial->owned;
        try_next(dial);
        return dial;
    }
    hints.ai_flags = AI_NUMERICSERV;
    dial->owned = NULL; /* it was no literal */
    dial->infos = dial->next = take_late(dial);
    if (dial->infos != NULL) {
        try_next(dial);
        return dial;
    }
    const int status = uv_getaddrinfo(common->loop, &dial->request, on_resolved, dial->host, service, &hints);
    if (status == 0) {
        dial->resolving = true;
        common->resolving++;
    } else {
        fail(dial, status);
        try_next(dial);
    }
    return dial;
}

void dial_end(struct dial *dial)
{
    CHECK(dial->stream != NULL);
    dial->stream = NULL;
    if (dial->resolving) {
        uv_cancel((uv_req_t *)&dial->request); /* on_resolved comes in any case */
        return;
    }
    const int fd = dial->poll_open ? dial->fd : -1;
    let_go(dial);
    if (fd >= 0) close(fd);
}
