#include "disk.h"

#include "base/check.h"
#include "log.h"
#include "paths.h"
#include "work.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    LANE_URGENT = 0, /* two: the metadata journal need not wait for the message journal's sync */
    LANE_URGENT_COUNT = 2,
    LANE_BEHIND = LANE_URGENT + LANE_URGENT_COUNT, /* segments, checkpoints, names */
    LANE_BEHIND_COUNT = 2,
    LANE_READ = LANE_BEHIND + LANE_BEHIND_COUNT,
    LANE_READ_COUNT = 2,
    LANE_COUNT = LANE_READ + LANE_READ_COUNT,

    LANE_STACK_SIZE = 1024 * 1024,  /* address space; a debug build keeps much of its own on it */
    AT_ONCE_SIZE_MAX = 1024 * 1024, /* copying more from the page cache would hold up the loop */

    COMMIT_HERE_NS_MAX = 400 * 1000,   /* two wake-ups, 50 to 100 us, would be less than a fourth of a slower one */
    COMMIT_HERE_SIZE_MAX = 128 * 1024, /* writing more takes time in which the loop could read */
    MEAN_PARTS = 8,                    /* a new sync counts for one of so many in the mean */
};

struct jobs {
    struct work *first, *last;
};

struct lane {
    struct disk *disk;
    uv_thread_t thread;
    _Atomic(struct work *) queue; /* pushed by the loop, newest first */
    atomic_bool idle;             /* the thread sleeps, or is about to: whoever takes this back wakes it */
    atomic_bool ended;
    uv_sem_t wake;
    struct jobs ordered;  /* the loop's: not yet shown to the thread */
    uint32_t outstanding; /* the loop's: ordered, and not yet seen as done */
};

struct disk {
    struct files *files;
    struct paths *paths; /* with orders under way */
    uv_async_t async;
    struct lane lanes[LANE_COUNT];
    _Atomic(struct work *) done; /* pushed by lanes, newest first */
    struct jobs ready;           /* taken from there, or done at once: oldest first */
    struct work *spare;
    struct disk_counts counts;
    uint64_t commit_ns; /* what an urgent sync takes: a moving mean; 0: there was none */
};

static void append(struct jobs *jobs, struct work *work)
{
    work->next = NULL;
    if (jobs->last != NULL) jobs->last->next = work;
    else jobs->first = work;
    jobs->last = work;
}

static struct work *take(struct jobs *jobs)
{
    struct work *work = jobs->first;

    if (work == NULL) return NULL;
    jobs->first = work->next;
    if (jobs->first == NULL) jobs->last = NULL;
    return work;
}

/* ---- the lanes' side ---- */

/* Puts a chain, linked oldest to newest, on a stack that another thread takes as a whole; leaves the chain empty. True
 * if the stack was empty. */
static bool push_all(_Atomic(struct work *) *stack, struct jobs *chain)
{
    struct work *reversed = NULL, *const bottom = chain->first;

    for (struct work *work; (work = take(chain)) != NULL;) {
        work->next = reversed;
        reversed = work;
    }
    struct work *top = atomic_load_explicit(stack, memory_order_relaxed);
    do {
        bottom->next = top;
    } while (!atomic_compare_exchange_weak(stack, &top, reversed));
    return top == NULL;
}

/* All that is on such a stack, oldest first. */
static struct jobs take_all(_Atomic(struct work *) *stack)
{
    struct work *newest = atomic_exchange(stack, NULL), *oldest = NULL;
    struct jobs jobs = { NULL, newest };

    while (newest != NULL) {
        struct work *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    jobs.first = oldest;
    return jobs;
}

/* Shows what is finished to the loop. */
static void show_done(struct disk *disk, struct jobs *finished)
{
    /* Only who found it empty wakes the loop: the loop takes all there is, whenever it looks. */
    if (finished->first != NULL && push_all(&disk->done, finished)) uv_async_send(&disk->async);
}

/* A write can wait to be told until the sync behind it is done: nobody acts on it before. */
static bool is_told_with_next(const struct work *work)
{
    const struct work *next = work->next;

    if (next == NULL || work->effect.type != EFFECT_WRITE || work->result != DISK_DONE) return false;
    if (next->effect.type != EFFECT_WRITE && next->effect.type != EFFECT_SYNC) return false;
    return strcmp(work_path(work), work_path(next)) == 0;
}

/* The next orders; none: there will be no more. A semaphore costs one system call to wake and one to sleep; a condition
 * under a mutex costs one more, and what is between them costs nothing that shows. */
static struct jobs wait_for_jobs(struct lane *lane)
{
    for (;;) {
        const bool ended = atomic_load(&lane->ended);
        struct jobs jobs = take_all(&lane->queue);
        if (jobs.first != NULL || ended) return jobs;
        atomic_store(&lane->idle, true);
        /* What was pushed, or ended, before the loop could see that we are idle. */
        if ((atomic_load(&lane->queue) != NULL || atomic_load(&lane->ended)) && atomic_exchange(&lane->idle, false))
            continue;
        uv_sem_wait(&lane->wake);
    }
}

static void wake_lane(struct lane *lane)
{
    if (atomic_exchange(&lane->idle, false)) uv_sem_post(&lane->wake);
}

static void run_lane(void *argument)
{
    struct lane *lane = argument;
    struct jobs finished = { NULL, NULL };

    for (;;) {
        struct jobs jobs = wait_for_jobs(lane);
        if (jobs.first == NULL) return;
        for (struct work *work; (work = jobs.first) != NULL;) {
            work_do(work, lane->disk->files);
            const bool waits = is_told_with_next(work);
            append(&finished, take(&jobs));
            if (!waits) show_done(lane->disk, &finished);
        }
    }
}

/* ---- the loop's side ---- */

static void on_async(uv_async_t *async)
{
    (void)async; /* it only had to end the wait */
}

/* 0, or libuv's error. */
static int start_lanes(struct disk *disk)
{
    const uv_thread_options_t options = { .flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = LANE_STACK_SIZE };

    for (uint32_t i = 0; i < LANE_COUNT; i++) {
        struct lane *lane = &disk->lanes[i];
        lane->disk = disk;
        int status = uv_sem_init(&lane->wake, 0);
        if (status == 0) status = uv_thread_create_ex(&lane->thread, &options, run_lane, lane);
        if (status != 0) return status;
    }
    return 0;
}

struct disk *disk_new(uv_loop_t *loop, struct files *files)
{
    struct disk *disk = calloc(1, sizeof *disk);

    if (disk != NULL) disk->paths = paths_new();
    if (disk == NULL || disk->paths == NULL || uv_async_init(loop, &disk->async, on_async) != 0) {
        log_line(NOTE_ERROR, "disk_threads", "cannot start: no memory for the disk's threads");
        return NULL;
    }
    disk->files = files;
    disk->async.data = disk;
    const int status = start_lanes(disk);
    if (status != 0) {
        log_line(NOTE_ERROR, "disk_threads", "cannot start the disk's threads: %s", uv_strerror(status));
        return NULL;
    }
    return disk;
}

static struct work *new_work(struct disk *disk)
{
    struct work *work = disk->spare;

    if (work != NULL) disk->spare = work->next;
    else work = malloc(sizeof *work);
    CHECK(work != NULL); /* a few hundred bytes for an order that was promised an answer */
    memset(work, 0, offsetof(struct work, own_path));
    return work;
}

static uint32_t least_busy(const struct disk *disk, uint32_t first, uint32_t count)
{
    uint32_t best = first;

    for (uint32_t i = first + 1; i < first + count; i++) {
        if (disk->lanes[i].outstanding < disk->lanes[best].outstanding) best = i;
    }
    return best;
}

static uint32_t choose_lane(const struct disk *disk, const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_WRITE:
        if (effect->write.urgent) return least_busy(disk, LANE_URGENT, LANE_URGENT_COUNT);
        return least_busy(disk, LANE_BEHIND, LANE_BEHIND_COUNT);
    case EFFECT_SYNC:
        if (effect->sync.urgent) return least_busy(disk, LANE_URGENT, LANE_URGENT_COUNT);
        return least_busy(disk, LANE_BEHIND, LANE_BEHIND_COUNT);
    case EFFECT_FILE: return least_busy(disk, LANE_BEHIND, LANE_BEHIND_COUNT);
    case EFFECT_READ: return least_busy(disk, LANE_READ, LANE_READ_COUNT);
    case EFFECT_OPEN_LINK:
    case EFFECT_RECEIVE:
    case EFFECT_SEND:
    case EFFECT_CLOSE_LINK:
    case EFFECT_NOTE:
    case EFFECT_HALT: break;
    }
    CHECK(false);
    return 0;
}

/* From the page cache, with nothing of this path under way that it could overtake. */
static bool read_at_once(struct disk *disk, const struct effect_read *read, struct work *work)
{
    if (read->size > AT_ONCE_SIZE_MAX || paths_find(disk->paths, read->path) != NULL) return false;
    struct file *file = files_get(disk->files, read->path, FILES_CACHED);
    if (file == NULL) return false;
    const struct iovec into = { read->into, read->size };
    const ssize_t got = preadv2(file->fd, &into, 1, (off_t)read->position, RWF_NOWAIT);
    files_put(disk->files, file);
    if (got != (ssize_t)read->size) return false; /* not all there, or the end of the file: let a lane find out */
    work->result = DISK_DONE;
    work->size = read->size;
    append(&disk->ready, work);
    return true;
}

static void queue_work(struct disk *disk, struct work *work, uint32_t lane)
{
    work->lane = lane;
    disk->lanes[lane].outstanding++;
    disk->counts.waiting++;
    append(&disk->lanes[lane].ordered, work);
}

void disk_order(struct disk *disk, const struct effect *effect)
{
    struct work *work = new_work(disk);

    work->effect = *effect;
    disk->counts.orders++;
    if (effect->type == EFFECT_READ && read_at_once(disk, &effect->read, work)) {
        disk->counts.reads_at_once++;
        disk->counts.read_size += effect->read.size;
        work->lane = LANE_COUNT;
        return;
    }
    const char *path = work_path(work);
    const struct path *under_way = paths_find(disk->paths, path);
    const uint32_t lane = under_way != NULL ? under_way->lane : choose_lane(disk, effect);
    work->path = paths_add(disk->paths, path, lane);
    /* A rename is an order for its new name too. If that is busy in another lane, order was not asked for. */
    if (effect->type == EFFECT_FILE && effect->file.action == FILE_RENAME) {
        work->to_path = paths_add(disk->paths, effect->file.to, lane);
    }
    queue_work(disk, work, lane);
}

void disk_warm(struct disk *disk, const char *path, struct file *file, uint64_t position, uint32_t size, uint64_t tag)
{
    struct work *work = new_work(disk);

    work->warm = true;
    work->tag = tag;
    work->file = file;
    /* The link may be gone, and the core's path with it, before this is done. */
    const size_t path_size = strlen(path) + 1;
    CHECK(path_size <= sizeof work->own_path);
    memcpy(work->own_path, path, path_size);
    work->effect.type = EFFECT_READ;
    work->effect.read = (struct effect_read){ .path = work->own_path, .position = position, .size = size };
    queue_work(disk, work, least_busy(disk, LANE_READ, LANE_READ_COUNT));
}

void disk_flush(struct disk *disk)
{
    for (uint32_t i = 0; i < LANE_COUNT; i++) {
        struct lane *lane = &disk->lanes[i];
        if (lane->ordered.first == NULL) continue;
        push_all(&lane->queue, &lane->ordered);
        wake_lane(lane);
    }
}

/* ---- a commit on the loop ---- */

bool disk_is_committing(const struct disk *disk)
{
    for (uint32_t i = LANE_URGENT; i < LANE_URGENT + LANE_URGENT_COUNT; i++) {
        if (disk->lanes[i].outstanding > 0) return true;
    }
    return false;
}

static bool is_small_commit(const struct jobs *ordered)
{
    const struct work *write = ordered->first, *sync = write != NULL ? write->next : NULL;
    uint64_t size = 0;

    if (sync == NULL || sync->next != NULL) return false;
    if (write->effect.type != EFFECT_WRITE || sync->effect.type != EFFECT_SYNC || write->path != sync->path)
        return false;
    for (uint32_t i = 0; i < write->effect.write.piece_count; i++) size += write->effect.write.pieces[i].size;
    return size <= COMMIT_HERE_SIZE_MAX;
}

/* The urgent lane that has the only commit; LANE_COUNT: there is none, or more than it. */
static uint32_t lone_commit(const struct disk *disk)
{
    uint32_t lone = LANE_COUNT, outstanding = 0;

    for (uint32_t i = LANE_URGENT; i < LANE_URGENT + LANE_URGENT_COUNT; i++) {
        outstanding += disk->lanes[i].outstanding;
        if (is_small_commit(&disk->lanes[i].ordered)) lone = i;
    }
    return outstanding == 2 ? lone : LANE_COUNT; /* the two of it */
}

bool disk_may_commit_here(const struct disk *disk)
{
    return disk->commit_ns > 0 && disk->commit_ns <= COMMIT_HERE_NS_MAX && lone_commit(disk) != LANE_COUNT;
}

void disk_commit_here(struct disk *disk)
{
    const uint32_t lane = lone_commit(disk);

    CHECK(lane != LANE_COUNT);
    struct jobs commit = disk->lanes[lane].ordered;
    disk->lanes[lane].ordered = (struct jobs){ NULL, NULL };
    disk_flush(disk); /* what others have to do meanwhile */
    disk->counts.commits_here++;
    for (struct work *work; (work = take(&commit)) != NULL;) {
        work_do(work, disk->files);
        append(&disk->ready, work);
    }
}

/* Takes what the lanes have finished, in the order in which they did. */
static void collect(struct disk *disk)
{
    if (atomic_load_explicit(&disk->done, memory_order_relaxed) != NULL) disk->ready = take_all(&disk->done);
}

bool disk_is_ready(const struct disk *disk)
{
    return disk->ready.first != NULL || atomic_load_explicit(&disk->done, memory_order_relaxed) != NULL;
}

static enum event_type answer_type(enum effect_type order)
{
    switch (order) {
    case EFFECT_WRITE: return EVENT_WRITTEN;
    case EFFECT_SYNC: return EVENT_SYNCED;
    case EFFECT_READ: return EVENT_READ_DONE;
    case EFFECT_FILE: return EVENT_FILE_DONE;
    case EFFECT_OPEN_LINK:
    case EFFECT_RECEIVE:
    case EFFECT_SEND:
    case EFFECT_CLOSE_LINK:
    case EFFECT_NOTE:
    case EFFECT_HALT: break;
    }
    CHECK(false);
    return EVENT_FILE_DONE;
}

static void count_done(struct disk *disk, const struct work *work)
{
    disk->lanes[work->lane].outstanding--;
    disk->counts.waiting--;
    if (work->result != DISK_DONE && work->result != DISK_NOT_FOUND) disk->counts.failures++;
    if (work->effect.type == EFFECT_WRITE) disk->counts.written_size += work->size;
    if (work->effect.type == EFFECT_READ) disk->counts.read_size += work->size;
    if (work->effect.type == EFFECT_SYNC) {
        disk->counts.syncs++;
        disk->counts.sync_ns += work->took_ns;
    }
    if (work->effect.type == EFFECT_SYNC && work->effect.sync.urgent) {
        const uint64_t mean_ns = disk->commit_ns > 0 ? disk->commit_ns : work->took_ns;
        disk->commit_ns = (mean_ns * (MEAN_PARTS - 1) + work->took_ns) / MEAN_PARTS;
    }
}

bool disk_next(struct disk *disk, struct disk_done *done)
{
    if (disk->ready.first == NULL) collect(disk);
    struct work *work = take(&disk->ready);
    if (work == NULL) return false;

    if (work->lane < LANE_COUNT) count_done(disk, work);
    if (work->path != NULL) paths_remove(disk->paths, work->path);
    if (work->to_path != NULL) paths_remove(disk->paths, work->to_path);
    *done = (struct disk_done){ .type = DISK_WARMED, .tag = work->tag, .file = work->file };
    if (!work->warm) {
        *done = (struct disk_done){ .type = DISK_ANSWER };
        done->event.type = answer_type(work->effect.type);
        done->event.disk = (struct event_disk){
            .op = work_op(work),
            .result = work->result,
            .more = work->more,
            .size = work->effect.type == EFFECT_WRITE ? 0 : work->size,
        };
    }
    work->next = disk->spare;
    disk->spare = work;
    return true;
}

struct disk_counts disk_counts(const struct disk *disk)
{
    return disk->counts;
}

/* cachestat(2), Linux 6.5: how much of a range the page cache holds. Its numbers are the same on every architecture. */
enum { CACHESTAT_CALL = 451 };
struct cachestat_range {
    uint64_t position, size;
};
struct cachestat {
    uint64_t cached, dirty, writeback, evicted, recently_evicted; /* pages */
};

static bool is_byte_cached(int fd, uint64_t position)
{
    uint8_t byte;
    const struct iovec into = { &byte, 1 };

    /* At the end of the file there is nothing to wait for. */
    return preadv2(fd, &into, 1, (off_t)position, RWF_NOWAIT) >= 0;
}

bool disk_is_warm(const struct file *file, uint64_t position, uint32_t size)
{
    const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    const struct cachestat_range range = { position, size };
    struct cachestat stat;

    CHECK(size > 0);
    if (syscall(CACHESTAT_CALL, file->fd, &range, &stat, 0) == 0) {
        return stat.cached >= (position + size - 1) / page_size - position / page_size + 1;
    }
    /* An older kernel: read-ahead fills ranges from the front, so both ends tell nearly always. Where they do not,
     * one send waits for the disk. */
    return is_byte_cached(file->fd, position) && is_byte_cached(file->fd, position + size - 1);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void disk_free(struct disk *disk)
{
    disk_flush(disk);
    for (uint32_t i = 0; i < LANE_COUNT; i++) {
        struct lane *lane = &disk->lanes[i];
        atomic_store(&lane->ended, true);
        wake_lane(lane);
        uv_thread_join(&lane->thread);
        uv_sem_destroy(&lane->wake);
    }
    for (struct disk_done done; disk_next(disk, &done);) {
        if (done.file != NULL) files_put(disk->files, done.file);
    }
    while (disk->spare != NULL) {
        struct work *next = disk->spare->next;
        free(disk->spare);
        disk->spare = next;
    }
    paths_free(disk->paths);
    uv_close((uv_handle_t *)&disk->async, on_closed);
}
