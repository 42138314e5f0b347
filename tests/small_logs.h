/* small_logs.h -- logs so small that a test fills them: a journal, segments and memory of a few batches. */
#ifndef CHRONIK_TESTS_SMALL_LOGS_H
#define CHRONIK_TESTS_SMALL_LOGS_H

#include "log/logs.h"

static inline struct logs_config small_logs_config(void)
{
    return (struct logs_config){
        .logs_max = 8,
        .segments_max = 512,
        .producers_max = 8,
        .journal_id = 77,
        .tail_unit_size = 16 * 1024,
        .tail_memory_size = 256 * 1024,
        .journal_file_size = 64 * 1024,
        .journal_files_max = 4,
        .hash_seed = 5,
        .producer_id_expiration_ms = 1000 * 1000 * 1000,
        .waiters_max = 64,
    };
}

static inline struct log_rules small_log_rules(void)
{
    return (struct log_rules){
        .retention_ms = -1,
        .retention_size = -1,
        .segment_size = 20000,
        .segment_ms = 1000 * 1000,
        .index_interval_size = 700,
        .segment_index_size = 4096,
        .file_delete_delay_ms = 50,
        .deletes = true,
    };
}

#endif
