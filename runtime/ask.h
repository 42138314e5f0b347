/* ask.h -- one HTTP request to a node's admin address, for commands that are typed: sends, waits, returns. */
#ifndef CHRONIK_RUNTIME_ASK_H
#define CHRONIK_RUNTIME_ASK_H

#include "page.h"

#include <stdint.h>

struct ask {
    const char *host;
    uint16_t port;
    const char *path;
    const char *body;    /* NULL: a GET; else a POST */
    const char *api_key; /* "": none */
};

/* The answer's status and body; 0 and in the body why there is none. */
int ask_node(const struct ask *ask, struct page *body);

#endif
