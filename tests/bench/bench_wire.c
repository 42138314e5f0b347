/* bench_wire.c -- a client that costs next to nothing: frames are encoded once, sent again and again, answers counted.
 *
 *     bench_wire produce PORT TOPIC VALUE-SIZE RECORDS ACKS WINDOW CONNECTIONS SECONDS [PID]
 *     bench_wire fetch   PORT TOPIC CONNECTIONS SECONDS [PID]
 *     bench_wire create  PORT TIMES DIRECTORY
 *     bench_wire topic   PORT NAME PARTITIONS
 *     bench_wire start   PORT COMMAND [ARGUMENT]...
 *
 * Connection n writes to partition n, or to the nth number in $BENCH_PARTITIONS (0,3,6). With PID, that process's CPU
 * is told too. Prints one line of NAME=NUMBER. */
#include "frames.h"
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 512,
    WINDOW_MAX = 8192,
    TEMPLATE_SIZE = 1 << 20, /* so many bytes of frames are sent with one call */
    ANSWER_SIZE = 8 << 20,
    LATENCIES_MAX = 1 << 22,
    WARM_UP_PERCENT = 25,
    FRAME_AROUND_MAX = 512,
    BATCH_SIZE_MAX = 4 << 20,
};

struct link {
    int fd;
    uint64_t sent, answered;
    size_t position; /* in the frame that is being sent */
    uint64_t sent_ns[WINDOW_MAX];
    uint8_t *in;
    size_t in_size;
    int64_t offset; /* to fetch next */
    uint8_t *template;
};

static struct link links[CONNECTIONS_MAX];
static int connections, window, loop_fd;
static uint8_t *batch;
static size_t frame_size, template_frames;
static uint64_t latencies[LATENCIES_MAX];
static size_t latency_count;
static uint64_t answered, failed, records_size, record_count;
static int last_error;

/* ---- one request after the other ---- */

static void send_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        must(sent > 0, "send");
        bytes += sent;
        size -= (size_t)sent;
    }
}

static bool receive_all(int fd, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t got = recv(fd, bytes, size, 0);
        if (got <= 0) return false;
        bytes += got;
        size -= (size_t)got;
    }
    return true;
}

/* Its answer in `answer`, without the size before it; 0: the connection ended. */
static size_t ask(int fd, const uint8_t *frame, const uint8_t *end, uint8_t *answer, size_t answer_max)
{
    uint8_t head[4];

    send_all(fd, frame, (size_t)(end - frame));
    if (!receive_all(fd, head, 4)) return 0;
    const size_t size = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    must(size <= answer_max, "an answer of %zu bytes", size);
    return receive_all(fd, answer, size) ? size : 0;
}

static int connect_to(int port)
{
    const int fd = try_connect(port);
    must(fd >= 0, "connect to port %d", port);
    return fd;
}

static void create_topic(int fd, const char *name, int partitions)
{
    uint8_t frame[512], answer[4096];
    const size_t size = ask(fd, frame, frame_create_topic(frame, name, partitions), answer, sizeof answer);

    errno = 0;
    must(size > 0, "create %s: the connection is closed", name);
    const int16_t error = create_answer_error(answer, size);
    must(error == 0, "create %s: error %d", name, error);
}

/* ---- many at once ---- */

static void open_links(int port)
{
    loop_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < connections; i++) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = (uint32_t)i };
        links[i].fd = connect_to(port);
        links[i].in = malloc(ANSWER_SIZE);
        set_nonblocking(links[i].fd);
        epoll_ctl(loop_fd, EPOLL_CTL_ADD, links[i].fd, &event);
    }
}

/* As many frames as fit into the template and the window, one after the other. */
static void make_produce(struct link *link, const char *topic, int partition, int acks, size_t batch_size)
{
    uint8_t *first = malloc(batch_size + FRAME_AROUND_MAX);

    frame_size = (size_t)(frame_produce(first, topic, partition, acks, batch, batch_size) - first);
    template_frames = TEMPLATE_SIZE / frame_size;
    if (template_frames == 0) template_frames = 1;
    if (template_frames > (size_t)window) template_frames = (size_t)window;
    link->template = malloc(frame_size * template_frames);
    for (size_t i = 0; i < template_frames; i++) memcpy(link->template + i * frame_size, first, frame_size);
    free(first);
}

static void send_some(struct link *link)
{
    while (link->sent - link->answered < (uint64_t)window) {
        const size_t first = link->sent % template_frames;
        size_t count = (size_t)window - (size_t)(link->sent - link->answered);
        if (count > template_frames - first) count = template_frames - first;
        const size_t size = count * frame_size - link->position;
        const ssize_t sent = send(link->fd, link->template + first * frame_size + link->position, size, MSG_NOSIGNAL);
        if (sent < 0) {
            must(errno == EAGAIN, "send");
            return;
        }
        const size_t done = link->position + (size_t)sent;
        const uint64_t now = now_ns();
        for (size_t i = 0; i < done / frame_size; i++) link->sent_ns[(link->sent + i) % WINDOW_MAX] = now;
        link->sent += done / frame_size;
        link->position = done % frame_size;
        if ((size_t)sent < size) return;
    }
}

static void on_answer(struct link *link, const uint8_t *payload, size_t size, uint64_t now, bool is_fetch)
{
    int16_t error = 0;

    if (is_fetch) {
        const struct fetched fetched = fetch_answer_read(payload, size);
        error = fetched.error;
        records_size += fetched.records_size;
        record_count += fetched.record_count;
        link->offset =
            fetched.next_offset >= 0 && fetched.next_offset < fetched.high_watermark ? fetched.next_offset : 0;
    } else {
        error = produce_answer_error(payload, size);
    }
    if (error != 0) failed++, last_error = error;
    if (latency_count < LATENCIES_MAX) latencies[latency_count++] = now - link->sent_ns[link->answered % WINDOW_MAX];
    link->answered++;
    answered++;
}

static void receive_some(struct link *link, bool is_fetch)
{
    for (;;) {
        const ssize_t got = recv(link->fd, link->in + link->in_size, ANSWER_SIZE - link->in_size, 0);
        if (got < 0 && errno == EAGAIN) return;
        must(got > 0, "the broker has closed the connection");
        link->in_size += (size_t)got;
        size_t at = 0;
        const uint64_t now = now_ns();
        while (link->in_size - at >= 4) {
            const uint8_t *head = link->in + at;
            const size_t size = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
            if (link->in_size - at - 4 < size) break;
            on_answer(link, head + 4, size, now, is_fetch);
            at += 4 + size;
        }
        link->in_size -= at;
        memmove(link->in, link->in + at, link->in_size);
    }
}

struct span {
    uint64_t begin_ns, own_cpu_ns;
    struct threads threads;
};

static struct span span_begin(pid_t pid)
{
    answered = failed = records_size = record_count = 0;
    latency_count = 0;
    if (pid != 0) process_peak_forget(pid);
    const struct threads threads = threads_of(pid);
    return (struct span){ now_ns(), own_cpu_ns(), threads };
}

static void span_print(const struct span *span, pid_t pid)
{
    const double seconds = (double)(now_ns() - span->begin_ns) / 1e9;
    const double own = (double)(own_cpu_ns() - span->own_cpu_ns) / 1e9;
    const struct threads threads = threads_of(pid);
    const double other = (double)threads_cpu_ns(&span->threads, &threads) / 1e9;
    const double busiest = (double)threads_busiest_ns(&span->threads, &threads) / 1e9;

    errno = 0;
    must(failed == 0, "%llu answers were errors, the last %d", (unsigned long long)failed, last_error);
    printf("seconds=%.4f frames=%llu records=%llu bytes=%llu client_cpu=%.4f server_cpu=%.4f server_busiest=%.4f "
           "memory=%llu peak=%llu p50_us=%.1f p99_us=%.1f p999_us=%.1f\n",
           seconds, (unsigned long long)answered, (unsigned long long)record_count, (unsigned long long)records_size,
           own, other, busiest, (unsigned long long)process_memory(pid), (unsigned long long)process_peak(pid),
           (double)percentile(latencies, latency_count, 0.5) / 1e3,
           (double)percentile(latencies, latency_count, 0.99) / 1e3,
           (double)percentile(latencies, latency_count, 0.999) / 1e3);
}

static void wait_for_links(void (*on_link)(struct link *link))
{
    struct epoll_event events[64];
    const int count = epoll_wait(loop_fd, events, 64, 100);
    for (int i = 0; i < count; i++) on_link(&links[events[i].data.u32]);
}

static void on_producer(struct link *link)
{
    receive_some(link, false);
    send_some(link);
}

/* acks=0 has no answers: what counts is what was taken, and the time until a question behind it is answered. */
static void produce_blindly(double seconds, pid_t pid, uint32_t records, size_t value_size)
{
    uint8_t frame[64], answer[1 << 16];
    const int fd = links[0].fd;
    uint64_t count = 0;

    must(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0, "fcntl");
    const struct span span = span_begin(pid);
    while ((double)(now_ns() - span.begin_ns) < seconds * 1e9) {
        send_all(fd, links[0].template, frame_size * template_frames);
        count += template_frames;
    }
    must(ask(fd, frame, frame_simple(frame, API_METADATA, 1), answer, sizeof answer) > 0, "the connection was closed");
    answered = count;
    record_count = count * records;
    records_size = count * records * value_size;
    span_print(&span, pid);
}

/* Which partition a connection writes to. */
static int partition_of(int connection)
{
    const char *at = getenv("BENCH_PARTITIONS");

    for (int i = 0; at != NULL && i < connection; i++) {
        at = strchr(at, ',');
        if (at != NULL) at++;
    }
    return at != NULL ? atoi(at) : connection;
}

static int run_produce(int argc, char **argv)
{
    must(argc >= 10, "too few arguments");
    const int port = atoi(argv[2]), acks = atoi(argv[6]);
    const char *topic = argv[3];
    const size_t value_size = (size_t)atol(argv[4]);
    const uint32_t records = (uint32_t)atol(argv[5]);
    const double seconds = atof(argv[9]);
    const pid_t pid = argc > 10 ? atoi(argv[10]) : 0;

    window = atoi(argv[7]);
    connections = atoi(argv[8]);
    must(window > 0 && window <= WINDOW_MAX && connections > 0 && connections <= CONNECTIONS_MAX, "out of range");
    batch = malloc(BATCH_SIZE_MAX);
    const size_t batch_size = batch_write(batch, records, value_size, 1);
    open_links(port);
    for (int i = 0; i < connections; i++) make_produce(&links[i], topic, partition_of(i), acks, batch_size);
    if (acks == 0) {
        produce_blindly(seconds, pid, records, value_size);
        return 0;
    }
    const uint64_t begin_ns = now_ns();
    for (int i = 0; i < connections; i++) send_some(&links[i]);
    while ((double)(now_ns() - begin_ns) < seconds * 1e7 * WARM_UP_PERCENT) wait_for_links(on_producer);
    const struct span span = span_begin(pid);
    while ((double)(now_ns() - span.begin_ns) < seconds * 1e9) wait_for_links(on_producer);
    record_count = answered * records;
    records_size = record_count * value_size;
    span_print(&span, pid);
    return 0;
}

/* ---- fetch ---- */

static const char *fetch_topic;

/* One fetch at a time: a broker begins the next of a connection only when the one before is answered. */
static void fetch_next(struct link *link)
{
    uint8_t frame[FRAME_AROUND_MAX];
    const int partition = (int)(link - links);

    link->sent_ns[link->sent++ % WINDOW_MAX] = now_ns();
    send_all(link->fd, frame, (size_t)(frame_fetch(frame, fetch_topic, partition, link->offset, 100, 1 << 20) - frame));
}

static void on_consumer(struct link *link)
{
    receive_some(link, true);
    if (link->sent == link->answered) fetch_next(link);
}

static int run_fetch(int argc, char **argv)
{
    must(argc >= 6, "too few arguments");
    const double seconds = atof(argv[5]);
    const pid_t pid = argc > 6 ? atoi(argv[6]) : 0;

    fetch_topic = argv[3];
    connections = atoi(argv[4]);
    must(connections > 0 && connections <= CONNECTIONS_MAX, "out of range");
    open_links(atoi(argv[2]));
    const uint64_t begin_ns = now_ns();
    for (int i = 0; i < connections; i++) fetch_next(&links[i]);
    while ((double)(now_ns() - begin_ns) < seconds * 1e7 * WARM_UP_PERCENT) wait_for_links(on_consumer);
    const struct span span = span_begin(pid);
    while ((double)(now_ns() - span.begin_ns) < seconds * 1e9) wait_for_links(on_consumer);
    span_print(&span, pid);
    return 0;
}

/* ---- one at a time: create a topic, sync a file ---- */

static int sync_file_open(const char *directory)
{
    char path[512];
    static uint8_t zeros[1 << 16];

    snprintf(path, sizeof path, "%s/sync-%d", directory, (int)getpid());
    const int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    must(file >= 0, "%s", path);
    unlink(path);
    for (int i = 0; i < 64; i++) must(write(file, zeros, sizeof zeros) == (ssize_t)sizeof zeros, "write");
    must(fsync(file) == 0, "sync");
    return file;
}

static int run_create(int argc, char **argv)
{
    must(argc >= 5, "too few arguments");
    const int fd = connect_to(atoi(argv[2])), times = atoi(argv[3]), file = sync_file_open(argv[4]);
    static uint64_t creates[10000], syncs[10000];
    static const uint8_t block[4096];

    must(times > 0 && times <= 10000, "out of range");
    for (int i = 0; i < times; i++) {
        char name[64];
        snprintf(name, sizeof name, "created.%d.%d", (int)getpid(), i);
        const uint64_t begin_ns = now_ns();
        create_topic(fd, name, 1);
        creates[i] = now_ns() - begin_ns;
        const uint64_t sync_ns = now_ns();
        must(pwrite(file, block, sizeof block, (off_t)(i % 1000) * 4096) == (ssize_t)sizeof block, "write");
        must(fdatasync(file) == 0, "sync");
        syncs[i] = now_ns() - sync_ns;
    }
    printf("create_p50_us=%.1f create_p99_us=%.1f sync_p50_us=%.1f sync_p99_us=%.1f\n",
           (double)percentile(creates, (size_t)times, 0.5) / 1e3,
           (double)percentile(creates, (size_t)times, 0.99) / 1e3, (double)percentile(syncs, (size_t)times, 0.5) / 1e3,
           (double)percentile(syncs, (size_t)times, 0.99) / 1e3);
    return 0;
}

static int run_topic(int argc, char **argv)
{
    must(argc >= 5, "too few arguments");
    create_topic(connect_to(atoi(argv[2])), argv[3], atoi(argv[4]));
    return 0;
}

/* ---- from exec to the first answer ---- */

static bool is_answered(int port)
{
    uint8_t frame[64], answer[1 << 16];
    const int fd = try_connect(port);

    if (fd < 0) return false;
    const bool is = ask(fd, frame, frame_simple(frame, API_METADATA, 1), answer, sizeof answer) > 0;
    close(fd);
    return is;
}

static int run_start(int argc, char **argv)
{
    must(argc >= 4, "too few arguments");
    const uint64_t begin_ns = now_ns();
    const pid_t pid = fork();
    int status;

    if (pid == 0) {
        const int null = open("/dev/null", O_RDWR);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execv(argv[3], argv + 3);
        _exit(127);
    }
    while (!is_answered(atoi(argv[2]))) {
        must(waitpid(pid, &status, WNOHANG) == 0, "it ended");
        usleep(100);
    }
    const uint64_t ready_ns = now_ns();
    const uint64_t memory = process_memory(pid);
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    printf("start_ms=%.2f stop_ms=%.2f memory=%llu\n", (double)(ready_ns - begin_ns) / 1e6,
           (double)(now_ns() - ready_ns) / 1e6, (unsigned long long)memory);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = { { "produce", run_produce },
                     { "fetch", run_fetch },
                     { "create", run_create },
                     { "topic", run_topic },
                     { "start", run_start } };

    for (size_t i = 0; argc > 2 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc, argv);
    }
    fprintf(stderr, "bench_wire: see the head of its source\n");
    return 2;
}
