#include "sim/hunt_store.h"

#include <inttypes.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>chronik-sim hunt</title>\n<style>\n"
    ":root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --line: #d9dde3; --dim: #5b6576; --bad: "
    "#c81e1e;\n"
    "  --good: #15803d; }\n"
    "@media (prefers-color-scheme: dark) { :root { --page: #12161d; --card: #1a202a; --line: #303947; --dim: #93a0b4;\n"
    "  --bad: #ff7b7b; --good: #6ee7a0; } }\n"
    "body { background: var(--page); font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto;\n"
    "  padding: 0 1em; }\n"
    "h1 { font-size: 1.3em; } h2 { font-size: 1.05em; margin-top: 2em; }\n"
    "table { border-collapse: collapse; background: var(--card); width: 100%; }\n"
    "th { text-align: left; color: var(--dim); font-weight: 600; }\n"
    "th, td { padding: 6px 10px; border: 1px solid var(--line); vertical-align: top; }\n"
    "td.n { text-align: right; font-variant-numeric: tabular-nums; }\n"
    "code { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }\n"
    ".bad { color: var(--bad); font-weight: 600; } .good { color: var(--good); font-weight: 600; }\n"
    "p { color: var(--dim); }\n</style></head><body>\n<h1>chronik-sim hunt</h1>\n";

static void put_text(FILE *file, const char *text)
{
    for (; *text != 0; text++) {
        if (*text == '<') fputs("&lt;", file);
        else if (*text == '&') fputs("&amp;", file);
        else fputc(*text, file);
    }
}

static void put_kinds(FILE *file, const struct hunt_store *store)
{
    fputs("<h2>Runs</h2>\n<table><tr><th>kind</th><th>runs</th><th>failed</th><th>next seed</th><th>hours</th>"
          "<th>simulated hours</th><th>events</th></tr>\n",
          file);
    for (uint32_t i = 0; i < HUNT_KINDS; i++) {
        const struct hunt_figures *figures = &store->figures[i];
        fprintf(file,
                "<tr><td><code>%s</code></td><td class=\"n\">%" PRIu64 "</td><td class=\"n %s\">%" PRIu64
                "</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">%.2f</td><td class=\"n\">%.1f</td>"
                "<td class=\"n\">%" PRIu64 "</td></tr>\n",
                hunt_kinds[i].name, figures->runs, figures->failed == 0 ? "" : "bad", figures->failed, figures->next,
                figures->seconds / 3600, figures->sim_seconds / 3600, figures->events);
    }
    fputs("</table>\n", file);
}

static void put_failures(FILE *file, const struct hunt_store *store)
{
    char replay[300];

    fputs("<h2>Failures, each by its smallest run</h2>\n<table><tr><th>rule</th><th>runs</th><th>what</th></tr>\n",
          file);
    for (uint32_t i = 0; i < store->failure_count; i++) {
        const struct hunt_failure *failure = &store->failures[i];
        fputs("<tr><td class=\"bad\">", file);
        put_text(file, failure->failure.rule);
        fprintf(file, "</td><td class=\"n\">%" PRIu64 "</td><td>", failure->count);
        put_text(file, failure->story);
        hunt_format_replay(failure, replay, sizeof replay);
        fputs("<br><code>", file);
        put_text(file, replay);
        fprintf(file, " --shrink</code><br>%" PRIu64 " events</td></tr>\n", failure->events);
    }
    fputs("</table>\n", file);
}

void hunt_write_page(FILE *file, const struct hunt_store *store)
{
    fputs(head, file);
    if (store->failure_count == 0) fputs("<p class=\"good\">No run has failed.</p>\n", file);
    fprintf(file, "<p>Of %" PRIu64 " canaries, which fail on purpose, %s<b class=\"%s\">%" PRIu64 " were missed</b>.",
            store->canaries, store->canaries == 0 ? "since none has run yet, " : "",
            store->canaries_missed == 0 ? "good" : "bad", store->canaries_missed);
    if (store->odd_lines > 0) fprintf(file, " %" PRIu64 " lines of the results were not understood.", store->odd_lines);
    if (store->failures_dropped > 0) {
        fprintf(file, " %" PRIu64 " failures of further sorts found no room.", store->failures_dropped);
    }
    fputs("</p>\n", file);
    put_kinds(file, store);
    if (store->failure_count > 0) put_failures(file, store);
    fputs("</body></html>\n", file);
}
