/* operator.c -- the one who adds and removes nodes and moves the leadership of the metadata.
 *
 * He sits beside each node and gives his orders to any of them. An order that finds no answer, or is told to be asked
 * again, is given again, somewhere else perhaps; what is refused is given up. A node that he has asked to remove may
 * go at any time from then on; in the end he makes sure of it, or asks that it stays. */
#include "sim/run.h"

#include "broker/operate.h"
#include "codec/errors.h"

#include <string.h>

enum { COOKIE_OPERATE = 20, TRIES_MAX = 40, AGAIN_NS = 200 * 1000 * 1000 };

static void drop_duty(struct client *client)
{
    struct operator* operator= & client->operator;

    operator->duty_count--;
    memmove(&operator->duties[0], &operator->duties[1], operator->duty_count * sizeof operator->duties[0]);
}

void operator_on_duty(struct run *run, struct client *client, int8_t operation, uint32_t machine)
{
    struct operator* operator= & client->operator;

    if (operator->duty_count == DUTIES_MAX) return;
    operator->duties[operator->duty_count++] =(struct duty){
        .operation = operation, .machine = machine, .tries_left = 1 + (uint32_t)prng_below(&client->prng, TRIES_MAX) };
    client_wake(run, client, 1);
}

bool operator_has_duty(const struct client *client, uint32_t machine)
{
    for (uint32_t i = 0; i < client->operator.duty_count; i++) {
        if (client->operator.duties[i].machine == machine) return true;
    }
    return false;
}

void operator_work(struct run *run, struct client *client)
{
    const struct duty *duty = &client->operator.duties[0];
    struct operate_request request = operate_request_default;

    if (client->operator.duty_count == 0 || client_pending(client) > 0) {
        client_wake(run, client, AGAIN_NS);
        return;
    }
    const bool of_node = duty->operation == OPERATION_PROMOTE; /* only who is asked can do it */
    struct session *session = of_node ? client_session(run, client, duty->machine) : client_any_session(run, client);
    client_wake(run, client, AGAIN_NS);
    if (session == NULL) return;
    request.operation = duty->operation;
    request.node_id = (int32_t)duty->machine + 1;
    operate_request_write(session_begin(session, API_OPERATE, 0), 0, &request);
    session_end(session, &run->world, COOKIE_OPERATE, true);
    if (duty->operation == OPERATION_REMOVE_NODE) run->world.machines[duty->machine]->may_leave = true;
}

/* Whether what was ordered needs no further order. */
static bool is_done(const struct run *run, const struct duty *duty, int16_t error)
{
    if (duty->operation == OPERATION_REMOVE_NODE) return !run->world.machines[duty->machine]->wanted;
    return error == ERROR_NONE;
}

void operator_on_response(struct run *run, struct client *client, struct response *response)
{
    struct operate_response answer;
    struct duty *duty = &client->operator.duties[0];

    if (!operate_response_read(&response->body, response->version, response->arena, &answer)) {
        judge_violated(&run->judge, RULE_N, "operator: an answer cannot be read");
        return;
    }
    if (client->operator.duty_count == 0) return;
    if (run->trace != NULL) {
        fprintf(run->trace, "[%12.6f]   operator is told %s: %.*s\n", (double)run->world.now_ns / 1e9,
                error_name(answer.error_code), (int)answer.message.size, (const char *)answer.message.data);
    }
    client_wake(run, client, 1 + prng_below(&client->prng, AGAIN_NS));
    if (is_done(run, duty, answer.error_code)) {
        drop_duty(client);
    } else if (--duty->tries_left == 0) { /* it takes too long: then it stays */
        const struct duty given_up = *duty;
        drop_duty(client);
        if (given_up.operation == OPERATION_PROMOTE) operator_on_duty(run, client, OPERATION_PROMOTE, given_up.machine);
        if (given_up.operation != OPERATION_REMOVE_NODE) return;
        operator_on_duty(run, client, OPERATION_ADD_NODE, given_up.machine);
    }
}

void operator_settle(struct run *run, struct client *client, uint32_t machine)
{
    if (client->operator.duty_count == 0) operator_on_duty(run, client, OPERATION_REMOVE_NODE, machine);
}
