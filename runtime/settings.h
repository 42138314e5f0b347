/* settings.h -- everything that can be said to a server before it starts, and the four places where it can be said.
 *
 * Command line, then CHRONIK_* variables, then the file, then defaults: the first that speaks decides. Each setting is
 * one row of a table in settings.c; from its key follow its flag and its variable:
 *
 *     [server] kafka_addr = "..."      CHRONIK_KAFKA_ADDR=...      --kafka-addr ... */
#ifndef CHRONIK_RUNTIME_SETTINGS_H
#define CHRONIK_RUNTIME_SETTINGS_H

#include "log.h"
#include "node.h"

#include <stdio.h>

struct settings {
    struct config node; /* all but its seed; the host of an advertised address is "" if nobody named one */
    char data_dir[1024];
    struct address kafka;
    struct address admin;                     /* host "" if there shall be none */
    struct address cluster_node, cluster_wal; /* where other nodes connect; used in a cluster only */
    bool kafka_given, admin_given;            /* by whoever starts the node; else it depends on the cluster */
    uint32_t peer_links_max;                  /* in a cluster */
    enum note_level log_level;
    enum log_format log_format;
    uint32_t send_stall_ms; /* a client that takes nothing for so long is closed */
};

/* The defaults. */
void settings_init(struct settings *settings);

/* What follows from others: a node of a cluster listens on all interfaces where nobody said otherwise, any other one on
 * loopback alone, and has no links to nodes. Once, when all has been said. */
void settings_complete(struct settings *settings);

enum { SETTINGS_ERROR_SIZE = 512 };

/* Where files, variables and flags come from; tests have their own. */
struct settings_sources {
    char *const *arguments; /* behind the command, up to a NULL */
    char *const *environment;
    const char *const *files; /* looked for in this order, up to a NULL, unless --config names one */
};

enum settings_verdict {
    SETTINGS_READ,
    SETTINGS_HELP,  /* --help was among the arguments */
    SETTINGS_WRONG, /* the error says what, and where */
};

/* Reads all sources into settings that have been initialized; settings_complete is the caller's to say. */
enum settings_verdict settings_read(struct settings *settings, const struct settings_sources *sources,
                                    char error[SETTINGS_ERROR_SIZE]);

/* One text in the file's format; `name` is how errors call it. False and the error. */
bool settings_read_toml(struct settings *settings, const char *name, const char *text, size_t size,
                        char error[SETTINGS_ERROR_SIZE]);

/* The flags' names, each with a blank behind it. */
void settings_print_names(FILE *file);

/* All settings with their defaults, for --help. */
void settings_print(FILE *file);

#endif
