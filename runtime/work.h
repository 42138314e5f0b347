/* work.h -- one order for a file, carried out: the system calls, and what their errors mean to the core.
 *
 * It knows no thread and no queue; disk.h has those. */
#ifndef CHRONIK_RUNTIME_WORK_H
#define CHRONIK_RUNTIME_WORK_H

#include "base/effect.h"
#include "files.h"
#include "paths.h"

struct work {
    struct work *next;
    struct effect effect; /* WRITE, SYNC, READ or FILE; what it points to stays put until it is answered */
    uint32_t lane;
    struct path *path, *to_path; /* counted there until it is answered */

    bool warm; /* only bring the range of a READ into the page cache, and keep the file open */
    struct file *file;
    uint64_t tag;

    enum disk_result result;
    uint32_t size; /* read, written or filled */
    bool more;
    uint64_t took_ns; /* a sync's */
    char own_path[PATH_SIZE_MAX];
};

const char *work_path(const struct work *work);
uint64_t work_op(const struct work *work);

/* Fills in the result. A failure is logged here, where errno is still known. */
void work_do(struct work *work, struct files *files);

#endif
