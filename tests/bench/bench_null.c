/* bench_null.c -- the least a broker can do: Produce frames in, checksum, append, group commit, answer.
 *
 *     bench_null DIRECTORY KIND [SYNC-DELAY-US [follow | PORT...]]
 *
 *     none      what came in meanwhile is written, with one write, and not synced
 *     inline    ... and synced by the loop, with one sync
 *     thread    ... by a thread, while the loop goes on
 *     growing   as inline, to a file that grows
 *     keeping   as thread, and a second thread appends all of it to a file that grows, past the page cache and not
 *               synced: so that the disk has it while it is measured, and not when dirty pages are old
 *
 * One thread on epoll, one journal file of 256 MiB that is written in advance and overwritten again and again. No
 * topics, no offsets, no reads: what is faster than this is a measuring error, and what is slower pays for being a
 * broker. All but `growing` and `keeping` forget what they took, which is much cheaper: a file's first pages cost
 * several times what the next write to them costs. Says its port, and ends with its input.
 *
 * With PORTs it leads: all that comes in goes on to the null brokers there as it is, and what asks for acks=all is
 * answered when all of them have it too. `follow` is for those: one answer for a round, which says how far it came. */
#include "base/crc32c.h"
#include "frames.h"
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define RING_SIZE (64u << 20)
#define JOURNAL_SIZE ((off_t)256 << 20)
#define KEPT_MAX ((uint64_t)4 << 30)
#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80 /* Linux 6.14 */
#endif

enum {
    LINKS_MAX = 512,
    RECEIVE_SIZE = 2 << 20,
    FRAME_SIZE_MAX = 8 << 20,
    ANSWER_SIZE_MAX = 256,
    PENDING_MAX = 1 << 20,
    OUT_SIZE = 1 << 20,
    KEPT_AT_ONCE = 256 << 10,
    EVENT_INPUT = LINKS_MAX, /* stdin */
    EVENT_LISTEN,
    EVENT_SYNCED,
    EVENT_FOLLOWER, /* and the numbers behind it */
    FOLLOWERS_MAX = 2,
    ALL = -1, /* acks */
};

enum sync { SYNC_NONE, SYNC_INLINE, SYNC_THREAD, SYNC_GROWING, SYNC_KEEPING };

struct link {
    int fd; /* -1: none */
    uint8_t *in;
    size_t in_size;
    uint8_t *out;
    size_t out_size;
};

/* An answer that waits until the journal holds all below `end`. */
struct pending {
    uint64_t end;
    uint32_t followed; /* and until all followers have so many frames */
    uint32_t link;
    uint32_t correlation;
    uint32_t partition;
    char topic[64];
};

static enum sync sync_kind;
static useconds_t sync_delay_us;
static struct link links[LINKS_MAX];
static uint8_t *ring;
static uint64_t ring_end, written, durable; /* positions in all that was ever appended */
static int journal, loop_fd, listen_fd, synced_fd, job_fd;
static off_t journal_position;
static struct pending *pending;
static uint64_t pending_first, pending_end;
static _Atomic uint64_t job_begin, job_end, job_done;
static int kept_file, keep_fd;
static _Atomic uint64_t kept;
static bool job_runs;
static bool follows;
static uint32_t follower_count, frames_sent; /* to each of them */
static struct follower {
    int fd;
    uint32_t held; /* so many frames */
    uint8_t in[1 << 16];
    size_t in_size;
} followers[FOLLOWERS_MAX];

/* ---- the journal ---- */

static void journal_open(const char *directory)
{
    char path[512];
    uint8_t *zeros = calloc(1, 1 << 20);

    snprintf(path, sizeof path, "%s/null-%d", directory, (int)getpid());
    journal = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    must(journal >= 0, "%s", path);
    unlink(path);
    for (off_t at = 0; sync_kind != SYNC_GROWING && at < JOURNAL_SIZE; at += 1 << 20) {
        must(pwrite(journal, zeros, 1 << 20, at) == 1 << 20, "write");
    }
    must(fsync(journal) == 0, "sync");
    free(zeros);
}

static int grown_open(const char *directory)
{
    char path[512];

    snprintf(path, sizeof path, "%s/kept-%d", directory, (int)getpid());
    const int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    must(file >= 0, "%s", path);
    unlink(path);
    return file;
}

static void journal_write(uint64_t begin, uint64_t end)
{
    while (begin < end) {
        const size_t at = begin % RING_SIZE;
        size_t size = end - begin;
        if (size > RING_SIZE - at) size = RING_SIZE - at;
        if (sync_kind != SYNC_GROWING && journal_position + (off_t)size > JOURNAL_SIZE) journal_position = 0;
        must(pwrite(journal, ring + at, size, journal_position) == (ssize_t)size, "write");
        journal_position += (off_t)size;
        begin += size;
    }
}

static void journal_sync(void)
{
    must(fdatasync(journal) == 0, "sync");
    if (sync_delay_us > 0) usleep(sync_delay_us);
}

static ssize_t keep(const struct iovec *bytes, off_t position)
{
    const ssize_t wrote = pwritev2(kept_file, bytes, 1, position, RWF_DONTCACHE);

    if (wrote >= 0 || errno != EOPNOTSUPP) return wrote;
    return pwritev(kept_file, bytes, 1, position);
}

static void *keep_thread(void *unused)
{
    uint64_t value, forgotten = 0;

    (void)unused;
    while (read(keep_fd, &value, sizeof value) == sizeof value) {
        for (uint64_t end = job_done; end - kept >= KEPT_AT_ONCE;) {
            const size_t at = kept % RING_SIZE;
            const size_t size = end - kept < RING_SIZE - at ? end - kept : RING_SIZE - at;
            must(keep(&(struct iovec){ ring + at, size }, (off_t)(kept - forgotten)) == (ssize_t)size, "write");
            kept += size;
            if (kept - forgotten < KEPT_MAX) continue;
            must(ftruncate(kept_file, 0) == 0, "truncate"); /* as retention would; who runs long fills no disk */
            forgotten = kept;
        }
    }
    return NULL;
}

static void *sync_thread(void *unused)
{
    uint64_t value;

    (void)unused;
    while (read(job_fd, &value, sizeof value) == sizeof value) {
        const uint64_t end = job_end;
        journal_write(job_begin, end);
        journal_sync();
        job_done = end;
        value = 1;
        must(write(synced_fd, &value, sizeof value) == sizeof value, "eventfd");
        if (sync_kind == SYNC_KEEPING) must(write(keep_fd, &value, sizeof value) == sizeof value, "eventfd");
    }
    return NULL;
}

static void commit(void)
{
    const uint64_t one = 1;

    if (written == ring_end) return;
    if (sync_kind == SYNC_THREAD || sync_kind == SYNC_KEEPING) {
        if (job_runs) return;
        job_runs = true;
        job_begin = written;
        job_end = ring_end;
        written = ring_end;
        must(write(job_fd, &one, sizeof one) == sizeof one, "eventfd");
        return;
    }
    journal_write(written, ring_end);
    if (sync_kind != SYNC_NONE) journal_sync();
    written = durable = ring_end;
}

/* ---- frames ---- */

static void append(const uint8_t *bytes, size_t size)
{
    const size_t at = ring_end % RING_SIZE, first = size < RING_SIZE - at ? size : RING_SIZE - at;

    memcpy(ring + at, bytes, first);
    memcpy(ring, bytes + first, size - first);
    ring_end += size;
}

static void on_produce(uint32_t link, struct cursor cursor, uint32_t correlation)
{
    struct pending answer = { .link = link, .correlation = correlation };

    skip_string(&cursor);
    const int16_t acks = (int16_t)get(&cursor, 2);
    get(&cursor, 8);
    const struct cursor name = cursor;
    skip_string(&cursor);
    const size_t name_size = (size_t)(cursor.at - name.at);
    must(name_size < sizeof answer.topic, "a long topic name");
    memcpy(answer.topic, name.at, name_size);
    get(&cursor, 4);
    answer.partition = (uint32_t)get(&cursor, 4);
    const size_t size = get(&cursor, 4);
    must(size >= BATCH_HEADER_SIZE && size <= (size_t)(cursor.end - cursor.at), "no batch");
    struct cursor batch = { cursor.at + 17, cursor.end };
    must(get(&batch, 4) == crc32c(0, batch.at, size - 21), "a wrong checksum");
    append(cursor.at, size);
    answer.end = ring_end;
    must(pending_end - pending_first < PENDING_MAX, "too many requests wait");
    answer.followed = acks == ALL ? frames_sent : 0;
    if (acks != 0) pending[pending_end++ % PENDING_MAX] = answer;
}

/* What is no Produce is a question whether everything before it was taken: the shortest answer will do. */
static void on_frame(uint32_t link, uint8_t *payload, size_t size)
{
    struct cursor cursor = { payload, payload + size };
    const uint64_t api = get(&cursor, 2);

    get(&cursor, 2);
    struct cursor number = cursor;
    const uint32_t correlation = (uint32_t)get(&cursor, 4);
    if (follower_count > 0) put(&number, 4, ++frames_sent); /* as it goes on */
    skip_string(&cursor);
    if (api == API_PRODUCE) {
        on_produce(link, cursor, correlation);
    } else {
        pending[pending_end++ % PENDING_MAX] =
            (struct pending){ .end = ring_end, .link = link, .correlation = correlation, .partition = UINT32_MAX };
    }
}

static void link_close(struct link *link)
{
    close(link->fd);
    link->fd = -1;
    link->in_size = link->out_size = 0;
}

/* As it came. It may block: what is in flight is bounded, and followers always read. */
static void forward(const uint8_t *bytes, size_t size)
{
    for (uint32_t i = 0; i < follower_count; i++) {
        for (size_t done = 0; done < size;) {
            const ssize_t sent = send(followers[i].fd, bytes + done, size - done, MSG_NOSIGNAL);
            must(sent > 0, "send to a follower");
            done += (size_t)sent;
        }
    }
}

static void follower_receive(struct follower *follower)
{
    const ssize_t got =
        recv(follower->fd, follower->in + follower->in_size, sizeof follower->in - follower->in_size, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN) return;
    must(got > 0, "a follower is gone");
    follower->in_size += (size_t)got;
    size_t at = 0;
    while (follower->in_size - at >= 8) {
        struct cursor answer = { follower->in + at, follower->in + at + 8 };
        const size_t size = get(&answer, 4);
        if (follower->in_size - at - 4 < size) break;
        follower->held = (uint32_t)get(&answer, 4);
        at += 4 + size;
    }
    follower->in_size -= at;
    memmove(follower->in, follower->in + at, follower->in_size);
}

static void link_receive(uint32_t number)
{
    struct link *link = &links[number];
    const ssize_t got = recv(link->fd, link->in + link->in_size, RECEIVE_SIZE, 0);

    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        link_close(link);
        return;
    }
    link->in_size += (size_t)got;
    size_t at = 0;
    while (link->in_size - at >= 4) {
        struct cursor head = { link->in + at, link->in + at + 4 };
        const size_t size = get(&head, 4);
        must(size <= FRAME_SIZE_MAX, "a frame of %zu bytes", size);
        if (link->in_size - at - 4 < size) break;
        on_frame(number, link->in + at + 4, size);
        at += 4 + size;
    }
    forward(link->in, at);
    link->in_size -= at;
    memmove(link->in, link->in + at, link->in_size);
}

static void answer_write(struct link *link, const struct pending *answer)
{
    struct cursor cursor = { link->out + link->out_size + 4, NULL };
    struct cursor name = { (uint8_t *)(uintptr_t)answer->topic, (uint8_t *)(uintptr_t)answer->topic + 64 };

    put(&cursor, 4, answer->correlation);
    if (answer->partition != UINT32_MAX) {
        put(&cursor, 4, 1);
        skip_string(&name);
        put_bytes(&cursor, answer->topic, (size_t)(name.at - (const uint8_t *)answer->topic));
        put(&cursor, 4, 1);
        put(&cursor, 4, answer->partition);
        put(&cursor, 2, 0);
        put(&cursor, 8, answer->end);
        put(&cursor, 8, UINT64_MAX);
        put(&cursor, 8, 0);
        put(&cursor, 4, 0);
    }
    struct cursor size = { link->out + link->out_size, NULL };
    put(&size, 4, (uint64_t)(cursor.at - size.at - 4));
    link->out_size = (size_t)(cursor.at - link->out);
}

static void link_send(struct link *link)
{
    if (link->fd < 0 || link->out_size == 0) return;
    const ssize_t sent = send(link->fd, link->out, link->out_size, MSG_NOSIGNAL);
    if (sent <= 0) return;
    link->out_size -= (size_t)sent;
    memmove(link->out, link->out + sent, link->out_size);
}

static bool is_held(const struct pending *answer)
{
    for (uint32_t i = 0; i < follower_count; i++) {
        if (answer->followed > followers[i].held) return false;
    }
    return answer->end <= durable;
}

static void answer_durable(void)
{
    while (pending_first < pending_end && is_held(&pending[pending_first % PENDING_MAX])) {
        const struct pending *answer = &pending[pending_first % PENDING_MAX];
        if (follows && pending_first + 1 < pending_end && is_held(&pending[(pending_first + 1) % PENDING_MAX])) {
            pending_first++;
            continue;
        }
        struct link *link = &links[answer->link];
        if (OUT_SIZE - link->out_size < ANSWER_SIZE_MAX) link_send(link);
        if (OUT_SIZE - link->out_size < ANSWER_SIZE_MAX) break;
        if (link->fd >= 0) answer_write(link, answer);
        pending_first++;
    }
    for (uint32_t i = 0; i < LINKS_MAX; i++) link_send(&links[i]);
}

/* ---- the loop ---- */

static void watch(int fd, uint32_t number)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = number };
    must(epoll_ctl(loop_fd, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
}

static void link_open(void)
{
    const int fd = accept(listen_fd, NULL, NULL), one = 1;
    uint32_t number = 0;

    if (fd < 0) return;
    while (number < LINKS_MAX && links[number].fd >= 0) number++;
    must(number < LINKS_MAX, "too many connections");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    set_nonblocking(fd);
    if (links[number].in == NULL) links[number].in = malloc(RECEIVE_SIZE + FRAME_SIZE_MAX);
    if (links[number].out == NULL) links[number].out = malloc(OUT_SIZE);
    links[number].fd = fd;
    watch(fd, number);
}

static bool turn(void)
{
    struct epoll_event events[64];
    uint64_t value;
    const int count = epoll_wait(loop_fd, events, 64, -1);

    for (int i = 0; i < count; i++) {
        const uint32_t number = events[i].data.u32;
        if (number == EVENT_INPUT) return false;
        if (number == EVENT_LISTEN) {
            link_open();
        } else if (number == EVENT_SYNCED) {
            must(read(synced_fd, &value, sizeof value) == sizeof value, "eventfd");
            durable = job_done;
            job_runs = false;
        } else if (number >= EVENT_FOLLOWER) {
            follower_receive(&followers[number - EVENT_FOLLOWER]);
        } else if (ring_end - (sync_kind == SYNC_KEEPING ? kept : durable) <
                   RING_SIZE / 2) { /* else it waits, as a broker's memory is bounded */
            link_receive(number);
        }
    }
    commit();
    answer_durable();
    return true;
}

static void follow(int count, char **arguments)
{
    follows = count > 0 && strcmp(arguments[0], "follow") == 0;
    if (follows) return;
    must(count <= FOLLOWERS_MAX, "too many followers");
    for (int i = 0; i < count; i++) {
        followers[i].fd = try_connect(atoi(arguments[i]));
        must(followers[i].fd >= 0, "no follower on port %s", arguments[i]);
        watch(followers[i].fd, EVENT_FOLLOWER + (uint32_t)i);
        follower_count++;
    }
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "none", "inline", "thread", "growing", "keeping" };
    int port = 0;
    pthread_t thread;

    must(argc >= 3, "DIRECTORY KIND [SYNC-DELAY-US]");
    while (strcmp(names[sync_kind], argv[2]) != 0) must(++sync_kind <= SYNC_KEEPING, "%s?", argv[2]);
    if (argc > 3) sync_delay_us = (useconds_t)atoi(argv[3]);
    signal(SIGPIPE, SIG_IGN);
    for (uint32_t i = 0; i < LINKS_MAX; i++) links[i].fd = -1;
    ring = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    pending = malloc(PENDING_MAX * sizeof *pending);
    must(ring != MAP_FAILED && pending != NULL, "no memory");
    journal_open(argv[1]);
    listen_fd = listen_on(&port);
    loop_fd = epoll_create1(EPOLL_CLOEXEC);
    synced_fd = eventfd(0, EFD_CLOEXEC);
    job_fd = eventfd(0, EFD_CLOEXEC);
    keep_fd = eventfd(0, EFD_CLOEXEC);
    kept_file = grown_open(argv[1]);
    if (sync_kind >= SYNC_THREAD) must(pthread_create(&thread, NULL, sync_thread, NULL) == 0, "thread");
    if (sync_kind == SYNC_KEEPING) must(pthread_create(&thread, NULL, keep_thread, NULL) == 0, "thread");
    watch(listen_fd, EVENT_LISTEN);
    watch(synced_fd, EVENT_SYNCED);
    watch(STDIN_FILENO, EVENT_INPUT);
    follow(argc > 4 ? argc - 4 : 0, argv + 4);
    printf("%d\n", port);
    fflush(stdout);
    while (turn()) continue;
    return 0;
}
