#include "admin.h"

#include "base/check.h"
#include "http.h"
#include "log.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

struct admin {
    struct http *http;
    struct report_sources sources;
};

static const char *const state_names[] = {
    [NODE_STARTING] = "starting",
    [NODE_SERVING] = "serving",
    [NODE_STOPPING] = "stopping",
};

static void answer_health(const struct node_status *status, struct http_answer *answer)
{
    answer->status = status->state == NODE_SERVING ? 200 : 503;
    answer->content_type = "application/json";
    page_add(&answer->body, "{\"status\":\"%s\",\"node_id\":%d,\"disk_full\":%s}\n", state_names[status->state],
             status->node_id, status->disk_full ? "true" : "false");
}

static void answer_path(void *context, const char *path, struct http_answer *answer)
{
    struct admin *admin = context;
    struct node_status status;

    node_status(admin->sources.node, &status);
    answer->status = 200;
    if (strcmp(path, "/health") == 0) {
        answer_health(&status, answer);
    } else if (strcmp(path, "/metrics") == 0) {
        answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
        report_metrics(&admin->sources, &status, &answer->body);
    } else if (strcmp(path, "/admin/status") == 0) {
        answer->content_type = "application/json";
        report_status(&admin->sources, &status, state_names[status.state], &answer->body);
    } else {
        answer->status = 404;
        page_add(&answer->body, "404: there are /health, /metrics and /admin/status\n");
    }
}

struct admin *admin_new(uv_loop_t *loop, int fd, const struct node *node, const struct net *net,
                        const struct disk *disk)
{
    struct admin *admin = calloc(1, sizeof *admin);

    if (admin != NULL) {
        const struct http_handler handler = { answer_path, admin };
        admin->sources = (struct report_sources){ node, net, disk, uv_now(loop), loop };
        admin->http = http_new(loop, fd, &handler);
        if (admin->http != NULL) return admin;
    }
    log_line(NOTE_ERROR, "admin", "cannot start the admin server");
    return NULL;
}

void admin_close(struct admin *admin)
{
    http_close(admin->http);
}

void admin_free(struct admin *admin)
{
    http_free(admin->http);
    free(admin);
}
