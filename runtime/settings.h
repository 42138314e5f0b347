/* settings.h -- everything that can be said to a server before it starts, and the four places where it can be said.
 *
 * Command line, then CHRONIK_* variables, then the file, then defaults: the first that speaks decides. Each setting is
 * one row of a table in settings.c, and has a key in the file, a flag and a variable. */
#ifndef CHRONIK_RUNTIME_SETTINGS_H
#define CHRONIK_RUNTIME_SETTINGS_H

#include "log.h"
#include "node.h"

struct settings {
    struct config node; /* all but its seed; advertised_kafka.host is "" if nobody named one */
    char data_dir[1024];
    struct address kafka;
    struct address admin;
    enum note_level log_level;
    enum log_format log_format;
    uint32_t send_stall_ms; /* a client that takes nothing for so long is closed */
    bool admin_enabled;
};

#endif
