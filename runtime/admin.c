#include "admin.h"

#include "base/check.h"
#include "broker/operate.h"
#include "http.h"
#include "log.h"
#include "operator.h"
#include "report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct admin {
    struct http *http;
    struct operator* operator;
    struct admin_config config;
    struct report_sources sources;
};

static const char *const state_names[] = {
    [NODE_STARTING] = "starting",
    [NODE_SERVING] = "serving",
    [NODE_STOPPING] = "stopping",
};

/* ---- questions ---- */

__attribute__((format(printf, 3, 4))) static void say(struct http_answer *answer, int status, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    answer->status = status;
    answer->content_type = "application/json";
    page_add(&answer->body, "{\"%s\": ", status < 300 ? "message" : "error");
    page_add_json(&answer->body, text);
    page_add(&answer->body, "}\n");
}

static void put_health(const struct admin *admin, struct http_answer *answer)
{
    const struct node_health health = node_health(admin->sources.node);

    answer->status = health.state == NODE_SERVING ? 200 : 503;
    page_add(&answer->body, "{\"status\":\"%s\",\"node_id\":%d,\"disk_full\":%s}\n", state_names[health.state],
             health.node_id, health.disk_full ? "true" : "false");
}

static void put_metrics(const struct admin *admin, struct http_answer *answer)
{
    struct node_status status;

    node_status(admin->sources.node, &status);
    answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
    report_metrics(&admin->sources, &status, &answer->body);
}

static void put_status(const struct admin *admin, struct http_answer *answer)
{
    struct node_status status;

    node_status(admin->sources.node, &status);
    report_status(&admin->sources, &status, state_names[status.state], &answer->body);
}

/* A list without anybody would be believed. */
static void put_members(const struct admin *admin, struct http_answer *answer)
{
    if (node_health(admin->sources.node).state == NODE_STARTING && !report_knows_members(&admin->sources)) {
        say(answer, 503, "This node is starting: it does not know yet who belongs to its cluster. Ask again.");
    } else {
        report_members(&admin->sources, &answer->body);
    }
}

static void put_leader(const struct admin *admin, struct http_answer *answer)
{
    report_leader(&admin->sources, &answer->body);
}

static void put_partitions(const struct admin *admin, struct http_answer *answer)
{
    report_partitions(&admin->sources, &answer->body);
}

static const struct question {
    const char *path;
    void (*put)(const struct admin *admin, struct http_answer *answer);
} questions[] = {
    { "/health", put_health },
    { "/metrics", put_metrics },
    { "/admin/status", put_status },
    { "/admin/cluster/members", put_members },
    { "/admin/cluster/leader", put_leader },
    { "/admin/cluster/partitions", put_partitions },
};

/* ---- orders ---- */

enum wants { WANTS_NOTHING, WANTS_NODE, MAY_NAME_NODE };

static const struct order {
    const char *path;
    enum operation operation;
    enum wants node;
    bool force; /* may be forced */
} orders[] = {
    { "/admin/add-node", OPERATION_ADD_NODE, WANTS_NODE, false },
    { "/admin/remove-node", OPERATION_REMOVE_NODE, WANTS_NODE, true },
    { "/admin/cluster/transfer-leader", OPERATION_TRANSFER_LEADER, MAY_NAME_NODE, false },
    { "/admin/rebalance", OPERATION_REBALANCE, WANTS_NOTHING, false },
    { "/admin/cluster/promote", OPERATION_PROMOTE, WANTS_NOTHING, true },
    { "/admin/cluster/promote-observer", OPERATION_PROMOTE_OBSERVER, WANTS_NODE, false },
};

/* Takes as long for a wrong key as for the right one. */
static bool is_key(const char *key, const char *given)
{
    const size_t size = strlen(key);
    unsigned different = strlen(given) != size;

    for (size_t i = 0; i < size; i++) different |= (unsigned char)(key[i] ^ given[i % (strlen(given) + 1)]);
    return different == 0;
}

static bool may_order(const struct admin *admin, const struct http_request *request, struct http_answer *answer)
{
    if (request->from_loopback) return true;
    if (admin->config.api_key[0] == 0) {
        say(answer, 403, "orders are taken from this machine alone, unless CHRONIK_ADMIN_API_KEY is set");
        return false;
    }
    if (is_key(admin->config.api_key, request->api_key)) return true;
    say(answer, 401, "X-API-Key is not the key of this node");
    return false;
}

/* What the body says. False: that it cannot be used is answered. */
static bool read_body(const struct order *order, const char *body, struct operate_request *wish,
                      struct http_answer *answer)
{
    json_error_t error;
    json_t *object = json_loads(body[0] != 0 ? body : "{}", JSON_REJECT_DUPLICATES, &error);
    const char *name;
    json_t *value;

    if (!json_is_object(object)) {
        if (object == NULL) say(answer, 400, "the body is not JSON: line %d: %s", error.line, error.text);
        else say(answer, 400, "the body is not an object like {\"node_id\": 3}");
        json_decref(object);
        return false;
    }
    answer->status = 200;
    json_object_foreach(object, name, value)
    {
        const json_int_t number = json_integer_value(value);
        if (strcmp(name, "node_id") == 0 && order->node != WANTS_NOTHING) {
            if (json_is_integer(value) && number >= 1 && number <= INT32_MAX) wish->node_id = (int32_t)number;
            else say(answer, 400, "node_id is a number, of 1 or more");
        } else if (strcmp(name, "force") == 0 && order->force) {
            if (json_is_boolean(value)) wish->force = json_is_true(value);
            else say(answer, 400, "force is true or false");
        } else {
            say(answer, 400, "%.64s is nothing that this order has", name);
        }
        if (answer->status != 200) break;
    }
    json_decref(object);
    if (answer->status == 200 && order->node == WANTS_NODE && wish->node_id < 0) {
        say(answer, 400, "which node? {\"node_id\": N}");
    }
    return answer->status == 200;
}

static void on_answered(void *context, uint64_t id, const struct operate_response *response)
{
    struct admin *admin = context;
    struct http_answer answer = { .status = 200 };

    if (response == NULL) say(&answer, 503, "the node is stopping");
    else if (response->error_code == 0) say(&answer, 200, "%.*s", (int)response->message.size, response->message.data);
    else say(&answer, 409, "%.*s", (int)response->message.size, response->message.data);
    http_answer(admin->http, id, &answer);
}

/* False: it is given, and its answer will come. */
static bool give(struct admin *admin, const struct order *order, const struct http_request *request,
                 struct http_answer *answer)
{
    struct operate_request wish = operate_request_default;
    const enum node_state state = node_health(admin->sources.node).state;

    wish.operation = (int8_t)order->operation;
    if (!may_order(admin, request, answer) || !read_body(order, request->body, &wish, answer)) return true;
    if (state != NODE_SERVING) say(answer, 503, "the node is %s", state_names[state]);
    else if (operator_ask(admin->operator, request->id, &wish)) return false;
    else say(answer, 503, "too many orders at a time");
    return true;
}

/* ---- paths ---- */

static void put_unknown(struct http_answer *answer)
{
    answer->status = 404;
    page_add(&answer->body, "404: there are");
    for (uint32_t i = 0; i < COUNT_OF(questions); i++) {
        page_add(&answer->body, "%s %s", i == 0 ? "" : ",", questions[i].path);
    }
    page_add(&answer->body, ", and to be posted");
    for (uint32_t i = 0; i < COUNT_OF(orders); i++) page_add(&answer->body, "%s %s", i == 0 ? "" : ",", orders[i].path);
    page_add(&answer->body, "\n");
}

static void put_other_method(struct http_answer *answer, const char *allow)
{
    answer->status = 405;
    answer->allow = allow;
    page_add(&answer->body, "405: %s\n", allow);
}

static bool answer_request(void *context, const struct http_request *request, struct http_answer *answer)
{
    struct admin *admin = context;

    for (uint32_t i = 0; i < COUNT_OF(questions); i++) {
        if (strcmp(request->path, questions[i].path) != 0) continue;
        answer->content_type = "application/json";
        if (request->is_post) put_other_method(answer, "GET, HEAD");
        else questions[i].put(admin, answer);
        return true;
    }
    for (uint32_t i = 0; i < COUNT_OF(orders); i++) {
        if (strcmp(request->path, orders[i].path) != 0) continue;
        if (request->is_post) return give(admin, &orders[i], request, answer);
        put_other_method(answer, "POST");
        return true;
    }
    put_unknown(answer);
    return true;
}

struct admin *admin_new(uv_loop_t *loop, const struct admin_config *config, const struct node *node, struct net *net,
                        const struct disk *disk)
{
    struct admin *admin = calloc(1, sizeof *admin);

    if (admin != NULL) {
        const struct http_handler handler = { answer_request, admin };
        const struct operator_handler operator_handler = { on_answered, admin };
        admin->config = *config;
        admin->sources = (struct report_sources){ node, net, disk, uv_now(loop), loop };
        admin->operator= operator_new(loop, net, &operator_handler);
        if (admin->operator!= NULL) admin->http = http_new(loop, config->fd, &handler);
        if (admin->http != NULL) return admin;
    }
    log_line(NOTE_ERROR, "admin", "cannot start the admin server");
    return NULL;
}

void admin_close(struct admin *admin)
{
    operator_close(admin->operator);
    http_close(admin->http);
}

void admin_free(struct admin *admin)
{
    operator_free(admin->operator);
    http_free(admin->http);
    free(admin);
}
