#include "server.h"

#include "admin.h"
#include "base/check.h"
#include "data_dir.h"
#include "disk.h"
#include "host.h"
#include "net.h"
#include "socket.h"
#include "status.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    FACTS_PER_TURN = 128, /* then sockets and clocks are looked at again */
    FILES_OPEN_MAX = 4096,
    FILES_OPEN_MIN = 64,
    DESCRIPTORS_KEPT = 128, /* for listeners, admin, libraries */
    LONE_COMMITS_MIN = 8,   /* in a row without any other event: the next one will be alone too */
};

struct host {
    const struct settings *settings;
    struct config config;
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t signals[3];
    struct data_dir data_dir;
    struct files *files;
    struct disk *disk;
    struct net *net;
    struct admin *admin;
    struct node *node;
    size_t node_memory;
    uint64_t mono_ns; /* of the last event */

    bool started;       /* EVENT_STARTED is out */
    bool serving;       /* connections are taken */
    uint32_t stop_asks; /* signals to stop so far */
    bool stop_told;
    bool time_told;        /* in this turn */
    uint32_t facts;        /* told in this turn */
    uint32_t lone_commits; /* in a row: no link had anything to say while they were under way */
    bool halted;
    enum halt_reason halt_reason;
    struct effects effects;
};

static uint64_t mono_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- host_wait ---- */

static bool next_of_disk(struct host *host, struct event *event)
{
    for (struct disk_done done; disk_next(host->disk, &done);) {
        if (done.type == DISK_WARMED) {
            net_on_warmed(host->net, done.tag, done.file);
            continue;
        }
        *event = done.event;
        return true;
    }
    return false;
}

/* What has happened and is not told. Time comes first, once a turn: it cannot be starved, and starves nobody. */
static bool next_fact(struct host *host, struct event *event)
{
    memset(event, 0, sizeof *event);
    if (!host->started) {
        host->started = true;
        event->type = EVENT_STARTED;
        return true;
    }
    if (host->stop_asks > 0 && !host->stop_told) {
        host->stop_told = true;
        event->type = EVENT_STOP_ASKED;
        return true;
    }
    if (!host->time_told) {
        host->time_told = true;
        if (node_deadline_ns(host->node) <= mono_ns()) {
            event->type = EVENT_TIME_PASSED;
            return true;
        }
    }
    if (host->facts == FACTS_PER_TURN) return false;
    /* In turn: reads that are answered at once, and ask for the next, would keep all links waiting. */
    if (host->facts++ % 2 == 0) return next_of_disk(host, event) || net_next(host->net, event);
    return net_next(host->net, event) || next_of_disk(host, event);
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer; /* it only had to end the wait */
}

/* Looks at sockets, signals and threads; sleeps if there is nothing else to do before the deadline. */
static void turn(struct host *host)
{
    const uint64_t deadline_ns = node_deadline_ns(host->node), now_ns = mono_ns();

    disk_flush(host->disk); /* file ranges to be warmed are not ordered by a step */
    if (disk_is_ready(host->disk) || net_is_ready(host->net) || deadline_ns <= now_ns) {
        uv_run(&host->loop, UV_RUN_NOWAIT);
    } else if (deadline_ns == UINT64_MAX) {
        uv_timer_stop(&host->timer);
        uv_run(&host->loop, UV_RUN_ONCE);
    } else {
        /* Rounded up: libuv counts milliseconds, and to wake early would be to wake twice. */
        uv_update_time(&host->loop);
        uv_timer_start(&host->timer, on_timer, (deadline_ns - now_ns + 999999) / 1000000, 0);
        uv_run(&host->loop, UV_RUN_ONCE);
    }
    if (disk_is_committing(host->disk) && net_is_ready(host->net)) host->lone_commits = 0;
    host->time_told = false;
    host->facts = 0;
}

/* Opens the doors when the node has recovered. */
static void serve_if_ready(struct host *host)
{
    char kafka[ADDRESS_TEXT_SIZE], advertised[ADDRESS_TEXT_SIZE], admin[ADDRESS_TEXT_SIZE];
    const bool has_admin = host->settings->admin.host[0] != 0;

    if (node_health(host->node).state != NODE_SERVING) return;
    host->serving = true;
    net_accept(host->net, LISTENER_KAFKA);
    log_line(NOTE_INFO, "serving", "kafka on %s, advertised as %s, admin %s, data in %s",
             address_format(&host->settings->kafka, kafka), address_format(&host->config.advertised_kafka, advertised),
             has_admin ? address_format(&host->settings->admin, admin) : "off", host->settings->data_dir);
}

struct node *host_wait(struct host *host, struct event *event)
{
    while (!host->halted) {
        if (next_fact(host, event)) {
            const uint64_t now_ns = mono_ns();
            CHECK(now_ns >= host->mono_ns);
            host->mono_ns = now_ns;
            event->mono_ns = now_ns;
            event->wall_ms = wall_ms();
            return host->node;
        }
        if (!host->serving && host->stop_asks == 0) serve_if_ready(host);
        turn(host);
    }
    return NULL;
}

/* ---- host_do ---- */

static void halt(struct host *host, const struct effect_halt *order)
{
    static const char *const reasons[] = {
        [HALT_STOPPED] = "stopped",
        [HALT_DISK_FAILED] = "the disk failed: nothing can be promised any more",
        [HALT_DISK_FULL] = "the disk is full: there is no room to recover in",
        [HALT_CORRUPT] = "durable data is not what was written: to go on would lose more",
        [HALT_FOREIGN] = "the data belongs to another node, cluster or format",
        [HALT_PROMOTED] = "stopped, to go on alone",
        [HALT_OUTLIVED] = "the cluster was recovered without this node; it may join again with an empty data directory",
        [HALT_FORGOT] = ("the disk lacks what this node acknowledged: it is an older copy; the node may join again "
                         "with an empty data directory"),
        [HALT_REMOVED] = "this node was removed from its cluster; it may join again with an empty data directory",
    };
    const bool is_clean = order->reason == HALT_STOPPED || order->reason == HALT_PROMOTED;

    host->halted = true;
    host->halt_reason = order->reason;
    if (is_clean) return; /* the node's own note said so */
    log_line(NOTE_ERROR, "halt", "%s%s%s", reasons[order->reason], order->path != NULL ? ": " : "",
             order->path != NULL ? order->path : "");
    if (order->reason == HALT_CORRUPT && host->config.cluster_enabled) {
        log_line(NOTE_ERROR, "halt",
                 "with an empty data directory this node joins again, and gets copies of the others'");
    }
}

/* Whether this thread carries out a commit by itself: nothing is left to tell, and in the last ones nothing came in.
 * What comes in after all is seen when it is done, before its answers are told, and then the disk's threads have their
 * turn: while they work, this one can read. */
static bool commits_here(struct host *host)
{
    if (!disk_may_commit_here(host->disk) || net_is_ready(host->net) || disk_is_ready(host->disk)) return false;
    return host->lone_commits >= LONE_COMMITS_MIN;
}

static void order_disk(struct host *host, const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->list[i];
        switch (effect->type) {
        case EFFECT_WRITE:
        case EFFECT_SYNC:
        case EFFECT_READ:
        case EFFECT_FILE: disk_order(host->disk, effect); break;
        case EFFECT_OPEN_LINK:
        case EFFECT_RECEIVE:
        case EFFECT_SEND:
        case EFFECT_CLOSE_LINK:
        case EFFECT_NOTE:
        case EFFECT_HALT: break;
        }
    }
}

static void order_net(struct host *host, const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->list[i];
        switch (effect->type) {
        case EFFECT_OPEN_LINK:
        case EFFECT_RECEIVE:
        case EFFECT_SEND:
        case EFFECT_CLOSE_LINK: net_order(host->net, effect); break;
        case EFFECT_NOTE:
        case EFFECT_HALT:
        case EFFECT_WRITE:
        case EFFECT_SYNC:
        case EFFECT_READ:
        case EFFECT_FILE: break;
        }
    }
}

static void say(struct host *host, const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->list[i];
        if (effect->type == EFFECT_NOTE) log_note(&effect->note);
        if (effect->type == EFFECT_HALT) halt(host, &effect->halt);
    }
    if (effects->notes_dropped > 0) {
        log_line(NOTE_WARNING, "notes_dropped", "%u lines were left out in a busy moment", effects->notes_dropped);
    }
}

/* The disk's orders first: its threads work while this one sends. What is only said comes behind what is waited for. */
void host_do(struct host *host, struct effects *effects)
{
    const bool was_committing = disk_is_committing(host->disk);

    order_disk(host, effects);
    const bool here = commits_here(host);
    if (!was_committing && disk_is_committing(host->disk)) host->lone_commits++;
    if (!here) disk_flush(host->disk);
    order_net(host, effects);
    say(host, effects);
    if (!here) return;
    disk_commit_here(host->disk);
    host->facts = FACTS_PER_TURN;
}

/* ---- start and end ---- */

static void on_signal(uv_signal_t *signal, int number)
{
    struct host *host = signal->data;

    if (number == SIGHUP) {
        log_line(NOTE_INFO, "signal", "SIGHUP: there is nothing to reopen");
        return;
    }
    host->stop_asks++;
    if (host->stop_asks > 1) {
        log_line(NOTE_WARNING, "signal", "asked twice to stop: ending at once; the next start recovers");
        _exit(EXIT_KILLED);
    }
    log_line(NOTE_INFO, "signal", "%s: stopping (again: at once)", number == SIGTERM ? "SIGTERM" : "SIGINT");
    host->serving = false;
    net_accept_end(host->net, LISTENER_KAFKA);
}

static bool watch_signals(struct host *host)
{
    const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

    for (uint32_t i = 0; i < COUNT_OF(numbers); i++) {
        if (uv_signal_init(&host->loop, &host->signals[i]) != 0) return false;
        host->signals[i].data = host;
        if (uv_signal_start(&host->signals[i], on_signal, numbers[i]) != 0) return false;
    }
    return signal(SIGPIPE, SIG_IGN) != SIG_ERR;
}

/* As many descriptors as the system lets us have, and how many of them files may keep open. */
static uint32_t raise_descriptors(uint32_t links_max)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return FILES_OPEN_MIN;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    const uint64_t others = (uint64_t)links_max + DESCRIPTORS_KEPT;
    if (limit.rlim_cur < others + FILES_OPEN_MIN) {
        log_line(NOTE_WARNING, "descriptors", "at most %llu files may be open, fewer than %u connections may need",
                 (unsigned long long)limit.rlim_cur, links_max);
        return FILES_OPEN_MIN;
    }
    return (uint32_t)MIN(limit.rlim_cur - others, FILES_OPEN_MAX);
}

static bool make_node(struct host *host)
{
    if (getrandom(host->config.seed, sizeof host->config.seed, 0) != sizeof host->config.seed) {
        log_line(NOTE_ERROR, "random", "cannot start: no randomness: %s", strerror(errno));
        return false;
    }
    host->node_memory = node_size(&host->config);
    if (host->node_memory == 0) {
        const char *contradiction = config_contradiction(&host->config);
        log_line(NOTE_ERROR, "limits", "cannot start: %s",
                 contradiction != NULL ? contradiction : "request_memory is too small for connections_max");
        return false;
    }
    /* Address space, not memory: a page costs something when it is first used. Huge pages would make that 2 MiB. */
    host->node =
        mmap(NULL, host->node_memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (host->node == MAP_FAILED) {
        log_line(NOTE_ERROR, "memory", "cannot start: cannot reserve %zu bytes for the node: %s", host->node_memory,
                 strerror(errno));
        return false;
    }
    (void)madvise(host->node, host->node_memory, MADV_NOHUGEPAGE);
    node_init(host->node, &host->config);
    return true;
}

/* Binds the Kafka port, and settles under which address clients will look for it. */
static int listen_kafka(struct host *host, struct settings *settings)
{
    char text[ADDRESS_TEXT_SIZE];
    const int fd = socket_listen("kafka", &settings->kafka, &settings->kafka.port);

    if (fd < 0) return -1;
    struct address *advertised = &host->config.advertised_kafka;
    if (advertised->host[0] == 0) {
        if (address_guess(&settings->kafka, advertised)) {
            log_line(NOTE_WARNING, "advertised",
                     "clients are told to connect to %s, which is a guess: set server.advertised_kafka_addr",
                     address_format(advertised, text));
        }
    } else if (advertised->port == 0) {
        advertised->port = settings->kafka.port;
    }
    return fd;
}

/* Binds the two ports for other nodes, and settles under which addresses they will look for them. */
static bool listen_nodes(struct host *host, struct settings *settings, int *node_fd, int *wal_fd)
{
    struct address *node = &host->config.node_address, *wal = &host->config.wal_address;
    char text[ADDRESS_TEXT_SIZE];

    *node_fd = *wal_fd = -1;
    if (!host->config.cluster_enabled) return true;
    *node_fd = socket_listen("node", &settings->cluster_node, &settings->cluster_node.port);
    if (*node_fd < 0) return false;
    *wal_fd = socket_listen("wal", &settings->cluster_wal, &settings->cluster_wal.port);
    if (*wal_fd < 0) return false;
    if (node->host[0] == 0 && address_guess(&settings->cluster_node, node)) {
        log_line(NOTE_WARNING, "advertised",
                 "other nodes are told to connect to %s, which is a guess: set cluster.advertised_node_addr",
                 address_format(node, text));
    }
    if (node->port == 0) node->port = settings->cluster_node.port;
    if (wal->host[0] == 0) memcpy(wal->host, node->host, sizeof wal->host);
    if (wal->port == 0) wal->port = settings->cluster_wal.port;
    if (host->config.advertised_kafka.host[0] == 0) {
        memcpy(host->config.advertised_kafka.host, node->host, sizeof node->host);
    }
    char other[ADDRESS_TEXT_SIZE];
    log_line(NOTE_INFO, "cluster", "node %d, for others at %s, for their data at %s", host->config.node_id,
             address_format(node, text), address_format(wal, other));
    return true;
}

/* The ports by which a node is reached; -1: there is none. */
struct doors {
    int node, wal, kafka, admin;
};

static bool bind_doors(struct host *host, struct settings *settings, struct doors *doors)
{
    *doors = (struct doors){ -1, -1, -1, -1 };
    if (host->config.recovers) return true; /* nobody is to talk to it */
    if (!listen_nodes(host, settings, &doors->node, &doors->wal)) return false;
    doors->kafka = listen_kafka(host, settings);
    if (doors->kafka < 0) return false;
    if (settings->admin.host[0] == 0) return true;
    doors->admin = socket_listen("admin", &settings->admin, &settings->admin.port);
    return doors->admin >= 0;
}

static bool open_doors(struct host *host, const struct doors *doors)
{
    if (doors->kafka >= 0) net_listen(host->net, doors->kafka, LISTENER_KAFKA);
    if (doors->node >= 0) net_listen(host->net, doors->node, LISTENER_NODE);
    if (doors->wal >= 0) net_listen(host->net, doors->wal, LISTENER_WAL);
    net_accept(host->net, LISTENER_NODE); /* who joins a cluster needs it before it serves anybody */
    net_accept(host->net, LISTENER_WAL);
    const char *api_key = getenv("CHRONIK_ADMIN_API_KEY"); /* a secret: no flag and no file shows it */
    const struct admin_config admin = { .fd = doors->admin, .api_key = api_key != NULL ? api_key : "" };
    if (admin.fd >= 0) host->admin = admin_new(&host->loop, &admin, host->node, host->net, host->disk);
    return admin.fd < 0 || host->admin != NULL;
}

static bool open_host(struct host *host, struct settings *settings)
{
    const uint32_t files_max = raise_descriptors(host->config.links_max + 2 * host->config.peer_links_max);
    struct doors doors;

    if (data_dir_open(&host->data_dir, settings->data_dir) != 0) return false;
    if (!bind_doors(host, settings, &doors)) return false;
    if (uv_loop_init(&host->loop) != 0 || uv_timer_init(&host->loop, &host->timer) != 0 || !watch_signals(host)) {
        log_line(NOTE_ERROR, "loop", "cannot start: no event loop: %s", strerror(errno));
        return false;
    }
    host->files = files_new(host->data_dir.fd, files_max);
    if (host->files != NULL) host->disk = disk_new(&host->loop, host->files);
    if (host->disk == NULL) return false;
    const struct net_config net_config = { host->config.links_max, host->config.peer_links_max,
                                           settings->send_stall_ms };
    host->net = net_new(&host->loop, host->files, host->disk, &net_config);
    if (host->net == NULL || !make_node(host)) return false;
    return open_doors(host, &doors);
}

static void close_host(struct host *host)
{
    uv_close((uv_handle_t *)&host->timer, NULL);
    for (uint32_t i = 0; i < COUNT_OF(host->signals); i++) uv_close((uv_handle_t *)&host->signals[i], NULL);
    if (host->admin != NULL) admin_close(host->admin);
    net_close(host->net);
    disk_free(host->disk);
    uv_run(&host->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&host->loop) == 0);
    if (host->admin != NULL) admin_free(host->admin);
    net_free(host->net);
    files_free(host->files);
    munmap(host->node, host->node_memory);
    data_dir_close(&host->data_dir);
}

static enum exit_code exit_code_of(enum halt_reason reason)
{
    switch (reason) {
    case HALT_STOPPED: return EXIT_STOPPED;
    case HALT_DISK_FAILED: return EXIT_DISK_FAILED;
    case HALT_DISK_FULL: return EXIT_DISK_FULL;
    case HALT_CORRUPT: return EXIT_CORRUPT;
    case HALT_FOREIGN: return EXIT_FOREIGN;
    case HALT_PROMOTED: return EXIT_PROMOTED;
    case HALT_OUTLIVED:
    case HALT_FORGOT:
    case HALT_REMOVED: return EXIT_REMOVED;
    }
    CHECK(false);
    return EXIT_DISK_FAILED;
}

enum exit_code server_run(const struct settings *given)
{
    static struct host host; /* a block of effects is too large for a stack, and there is one server in a process */
    static struct settings settings;

    settings = *given;
    memset(&host, 0, sizeof host);
    host.settings = &settings;
    host.config = settings.node;
    /* What is open when that fails ends with the process. */
    if (!open_host(&host, &settings)) return EXIT_CANNOT_START;
    host_run(&host, &host.effects);
    /* After a clean stop nothing is under way, but perhaps a name that is being looked up. Else a disk that hangs must
     * not keep the process from ending. */
    const bool is_clean = host.halt_reason == HALT_STOPPED || host.halt_reason == HALT_PROMOTED;
    if (is_clean && !net_is_resolving(host.net)) close_host(&host);
    return exit_code_of(host.halt_reason);
}
