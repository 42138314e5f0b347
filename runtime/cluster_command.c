#include "cluster_command.h"

#include "ask.h"
#include "base/bytes.h"
#include "socket.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODE_DONE = 0, CODE_REFUSED = 1, CODE_USAGE = 2 };

enum names_node { NO_NODE, NEEDS_NODE, MAY_HAVE_NODE };

static const struct command {
    const char *word;
    const char *path;
    bool order;
    enum names_node node;
    bool force;
    const char *help;
} commands[] = {
    { "members", "/admin/cluster/members", false, NO_NODE, false, "who belongs to the cluster, and as what" },
    { "leader", "/admin/cluster/leader", false, NO_NODE, false, "who leads the metadata" },
    { "partitions", "/admin/cluster/partitions", false, NO_NODE, false,
      "all partitions: leaders, replicas, ISR, offsets, lag" },
    { "status", "/admin/status", false, NO_NODE, false, "how the node that is asked is doing" },
    { "add-node", "/admin/add-node", true, NEEDS_NODE, false,
      "node N stays that was to leave; or how a new one joins" },
    { "remove-node", "/admin/remove-node", true, NEEDS_NODE, true,
      "node N leaves, when its data is elsewhere; --force: it is lost" },
    { "transfer-leader", "/admin/cluster/transfer-leader", true, MAY_HAVE_NODE, false,
      "node N leads the metadata, or whoever can best" },
    { "rebalance", "/admin/rebalance", true, NO_NODE, false, "spreads replicas and leaders evenly over the nodes" },
    { "promote-observer", "/admin/cluster/promote-observer", true, NEEDS_NODE, false,
      "node N observes no more: it is an ordinary node" },
    { "promote", "/admin/cluster/promote", true, NO_NODE, true,
      "most nodes are lost for ever: the node that is asked goes on alone" },
};

struct typed {
    const struct command *command;
    struct address admin;
    const char *api_key;
    const char *node;
    bool force;
    bool json;
};

static const struct command *find(const char *word)
{
    for (uint32_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(commands[i].word, word) == 0) return &commands[i];
    }
    return NULL;
}

bool cluster_command_is(const char *word)
{
    return find(word) != NULL;
}

void cluster_command_print(void)
{
    puts("chronik-server cluster COMMAND [--admin HOST:PORT] [--api-key KEY] [--json]\n"
         "\n"
         "Asks a running node, at 127.0.0.1:8080 unless --admin says where; the key is that of\n"
         "CHRONIK_ADMIN_API_KEY unless it is given. Commands:\n");
    for (uint32_t i = 0; i < COUNT_OF(commands); i++) {
        const struct command *command = &commands[i];
        const char *node = command->node == NEEDS_NODE ? " N" : command->node == MAY_HAVE_NODE ? " [N]" : "";
        char words[64];
        snprintf(words, sizeof words, "%s%s%s", command->word, node, command->force ? " [--force]" : "");
        printf("  %-26s %s\n", words, command->help);
    }
    puts("\n  recover --data-dir D       most nodes are lost for ever: this one, which is stopped, goes on alone\n"
         "\nExit codes: 0 done, 1 refused or not reached, 2 not understood. To start a node: chronik-server cluster "
         "--help");
}

void cluster_command_print_recover(void)
{
    puts("chronik-server cluster recover --data-dir D [FLAG VALUE]...\n"
         "\n"
         "Most voters are lost for ever, so nothing can be decided any more. The node whose data is in D, which is\n"
         "stopped, takes the cluster for itself, with all that it holds, and ends; then it is started as before.\n"
         "What only others had is lost. They can only come back with empty directories, as new nodes. Where the\n"
         "node runs: chronik-server cluster promote.\n"
         "\n"
         "  --data-dir D               its data (./data); --config FILE is read, too, as when it is started\n"
         "\n"
         "Exit codes: 0 done, 1 nothing is there, 2 not understood, 5 data corrupt");
}

/* ---- what was typed ---- */

static bool wrong(const char *what, const char *word)
{
    fprintf(stderr, "chronik-server cluster: %s%s\n", what, word);
    return false;
}

static bool read_flag(struct typed *typed, char *const **at)
{
    const char *flag = *(*at)++;

    if (strcmp(flag, "--json") == 0) {
        typed->json = true;
        return true;
    }
    if (strcmp(flag, "--force") == 0 && typed->command->force) {
        typed->force = true;
        return true;
    }
    const bool is_admin = strcmp(flag, "--admin") == 0, is_key = strcmp(flag, "--api-key") == 0;
    if (!is_admin && !is_key) return wrong("there is no flag ", flag);
    const char *value = **at;
    if (value == NULL) return wrong("a value is missing behind ", flag);
    (*at)++;
    if (is_key) {
        typed->api_key = value;
        return true;
    }
    const char *mistake = address_parse(value, &typed->admin);
    return mistake == NULL ? true : wrong("--admin: ", mistake);
}

static bool read_typed(struct typed *typed, char *const *at)
{
    const char *key = getenv("CHRONIK_ADMIN_API_KEY");

    *typed = (struct typed){ .command = find(*at), .admin = { "127.0.0.1", 8080 }, .api_key = key != NULL ? key : "" };
    for (at++; *at != NULL;) {
        if (strncmp(*at, "--", 2) == 0) {
            if (!read_flag(typed, &at)) return false;
            continue;
        }
        if (typed->command->node == NO_NODE || typed->node != NULL) return wrong("there is no need of ", *at);
        typed->node = *at++;
        if (strspn(typed->node, "0123456789") != strlen(typed->node) || strlen(typed->node) > 10) {
            return wrong("not the id of a node: ", typed->node);
        }
    }
    if (typed->command->node == NEEDS_NODE && typed->node == NULL) {
        return wrong("which node? Its id is missing behind ", typed->command->word);
    }
    return true;
}

/* ---- what is printed ---- */

/* For people unless they ask for JSON; what is not JSON is printed as it is. */
static void print_answer(const struct typed *typed, const struct page *body)
{
    json_t *answer = typed->json ? NULL : json_loads(body->data, 0, NULL);
    const char *message = json_string_value(json_object_get(answer, "message"));

    if (message != NULL) puts(message);
    else if (json_is_array(answer) && json_array_size(answer) > 0) table_print(answer);
    else if (json_is_object(answer)) table_print_fields(answer);
    else fputs(body->data, stdout);
    json_decref(answer);
}

static void print_refusal(const struct page *body)
{
    json_t *answer = json_loads(body->data, 0, NULL);
    const char *error = json_string_value(json_object_get(answer, "error"));

    fprintf(stderr, "chronik-server cluster: %s\n", error != NULL ? error : body->data);
    json_decref(answer);
}

int cluster_command_run(char *const *arguments)
{
    struct typed typed;
    struct page body;
    char wish[64];

    for (char *const *at = arguments; *at != NULL; at++) {
        if (strcmp(*at, "--help") != 0) continue;
        cluster_command_print();
        return CODE_DONE;
    }
    if (!read_typed(&typed, arguments)) return CODE_USAGE;
    snprintf(wish, sizeof wish, "{%s%s%s%s}", typed.node != NULL ? "\"node_id\":" : "",
             typed.node != NULL ? typed.node : "", typed.node != NULL && typed.force ? "," : "",
             typed.force ? "\"force\":true" : "");
    const struct ask ask = {
        .host = typed.admin.host,
        .port = typed.admin.port,
        .path = typed.command->path,
        .body = typed.command->order ? wish : NULL,
        .api_key = typed.api_key,
    };
    const int status = ask_node(&ask, &body);
    const bool done = status >= 200 && status < 300;
    if (body.data == NULL) page_add(&body, "no answer");
    if (body.data == NULL) return CODE_REFUSED;
    if (done) print_answer(&typed, &body);
    else print_refusal(&body);
    page_free(&body);
    return done ? CODE_DONE : CODE_REFUSED;
}
