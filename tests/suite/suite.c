/* suite.c -- runs all the checks there are and sums them up: "N passed, N failed[, N skipped]" is its last line.
 *
 *     suite [--only TEXT] { : | :alone | :fixed } NAME SECONDS COMMAND [ARG...] ...
 *
 * A job that prints such a line itself counts by it. Any other is one check: passed on exit code 0, skipped on 77.
 * A failed job shows all it said; of the others only lines that begin with "skipped" are shown.
 *
 * As many jobs run at a time as there are CPUs; those marked alone run one at a time after them. Those marked fixed
 * get the same addresses every time, as far as we may: where addresses are drawn from a very wide range, clang's
 * sanitizers fail to start now and then. A job that takes longer than its SECONDS has failed.
 *
 * Where CHRONIK_TEST_SUM names a file the sum goes there: who started us has the last word. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 4096, EXIT_SKIPPED = 77 };

struct sum {
    unsigned passed, failed, skipped;
};

struct job {
    const char *name;
    char **command;
    double seconds_max;
    bool alone;
    bool fixed;

    pid_t pid; /* 0: not started, or over */
    FILE *output;
    double begin;
    bool late;
};

static struct job jobs[JOBS_MAX];
static unsigned job_count;
static struct sum total;
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static _Noreturn void usage(const char *what)
{
    fprintf(stderr, "suite: %s\n", what);
    exit(2);
}

static bool begins_job(const char *word)
{
    return strcmp(word, ":") == 0 || strcmp(word, ":alone") == 0 || strcmp(word, ":fixed") == 0;
}

/* Cuts the command line into jobs; each command ends where the next job begins, in a NULL of its own. */
static void read_jobs(int argc, char **argv)
{
    const char *only = "";
    int at = 1;

    if (at + 1 < argc && strcmp(argv[at], "--only") == 0) only = argv[at + 1], at += 2;
    while (at < argc) {
        if (!begins_job(argv[at])) usage("a job begins with a colon");
        if (argc - at < 4 || job_count == JOBS_MAX) usage("a job is cut short, or there are too many");
        struct job job = { .name = argv[at + 1], .command = &argv[at + 3], .seconds_max = atof(argv[at + 2]) };
        job.alone = strcmp(argv[at], ":alone") == 0;
        job.fixed = strcmp(argv[at], ":fixed") == 0;
        argv[at] = NULL;
        at += 4;
        while (at < argc && !begins_job(argv[at])) at++;
        if (strstr(job.name, only) != NULL) jobs[job_count++] = job;
    }
}

static void start(struct job *job)
{
    job->output = tmpfile();
    if (job->output == NULL) usage("no room for a temporary file");
    job->begin = now();
    fflush(NULL);
    job->pid = fork();
    if (job->pid < 0) usage("cannot fork");
    if (job->pid > 0) {
        setpgid(job->pid, job->pid);
        return;
    }
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (job->fixed) personality(ADDR_NO_RANDOMIZE); /* A container may forbid it: then without. */
    if (freopen("/dev/null", "r", stdin) == NULL) _exit(126);
    dup2(fileno(job->output), STDOUT_FILENO);
    dup2(fileno(job->output), STDERR_FILENO);
    execvp(job->command[0], job->command);
    fprintf(stderr, "%s: %s\n", job->command[0], strerror(errno));
    _exit(127);
}

/* True where the line is a sum and nothing else. */
static bool sum_read(const char *line, struct sum *sum)
{
    int end = 0;

    *sum = (struct sum){ 0, 0, 0 };
    if (sscanf(line, "%u passed, %u failed%n", &sum->passed, &sum->failed, &end) != 2 || end == 0) return false;
    if (line[end] == ',') {
        int more = 0;
        if (sscanf(line + end, ", %u skipped%n", &sum->skipped, &more) != 1 || more == 0) return false;
        end += more;
    }
    return line[end] == '\n' || line[end] == '\0';
}

/* The last sum in the output, if there is one; shows the lines that a reader must see in any case. */
static bool output_read(struct job *job, bool show, struct sum *sum)
{
    char line[4096];
    bool found = false;

    rewind(job->output);
    while (fgets(line, sizeof line, job->output) != NULL) {
        struct sum candidate;
        if (sum_read(line, &candidate)) *sum = candidate, found = true;
        if (show) printf("    %s%s", line, strchr(line, '\n') != NULL ? "" : "\n");
        else if (strncmp(line, "skipped", 7) == 0) printf("%s: %s", job->name, line);
    }
    return found;
}

static void finish(struct job *job, int status)
{
    const bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    const bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED;
    struct sum sum = { 0, 0, 0 };

    kill(-job->pid, SIGKILL); /* What it left running goes with it. */
    job->pid = 0;
    if (!output_read(job, false, &sum)) sum = (struct sum){ good, 0, skipped };
    if (!good && !skipped && sum.failed == 0) sum.failed = 1;
    const char *word = sum.failed > 0 ? "FAILED" : skipped ? "skipped" : "ok";
    printf("%-7s %s: %u passed, %u failed, %u skipped (%.1f s)\n", word, job->name, sum.passed, sum.failed, sum.skipped,
           now() - job->begin);
    if (sum.failed > 0) {
        struct sum again;
        output_read(job, true, &again);
        if (job->late) printf("    took longer than %.0f s\n", job->seconds_max);
        else if (WIFSIGNALED(status)) printf("    ended by signal: %s\n", strsignal(WTERMSIG(status)));
        else printf("    exit code %d\n", WEXITSTATUS(status));
    }
    total.passed += sum.passed;
    total.failed += sum.failed;
    total.skipped += sum.skipped;
    fclose(job->output);
    fflush(stdout);
}

/* Waits a moment for any job to end; kills what is late, and everything when we are told to stop. */
static unsigned reap(void)
{
    unsigned ended = 0;

    for (unsigned i = 0; i < job_count; i++) {
        struct job *job = &jobs[i];
        int status;
        if (job->pid == 0) continue;
        if (now() - job->begin > job->seconds_max && !job->late) job->late = true, kill(-job->pid, SIGKILL);
        if (interrupted) kill(-job->pid, SIGKILL);
        if (waitpid(job->pid, &status, WNOHANG) == job->pid) finish(job, status), ended++;
    }
    if (interrupted) exit(128 + (int)interrupted);
    if (ended == 0) nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
    return ended;
}

static void run(bool alone, unsigned width)
{
    unsigned running = 0;

    for (unsigned i = 0; i < job_count; i++) {
        if (jobs[i].alone != alone) continue;
        while (running == width) running -= reap();
        start(&jobs[i]);
        running++;
    }
    while (running > 0) running -= reap();
}

static void report(void)
{
    const char *path = getenv("CHRONIK_TEST_SUM");
    FILE *to = path != NULL ? fopen(path, "w") : stdout;

    if (to == NULL) usage("cannot write the sum");
    fprintf(to, "%u passed, %u failed", total.passed, total.failed);
    if (total.skipped > 0) fprintf(to, ", %u skipped", total.skipped);
    fprintf(to, "\n");
    if (fflush(to) != 0) usage("cannot write the sum");
}

int main(int argc, char **argv)
{
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    prctl(PR_SET_PDEATHSIG, SIGTERM); /* The build that started us was ended: so are our jobs. */
    const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    for (unsigned i = 0; i < 3; i++) signal(signals[i], on_signal);
    read_jobs(argc, argv);
    if (job_count == 0) {
        printf("no check has that in its name\n");
        total.failed = 1;
    }
    run(false, cpus > 0 ? (unsigned)cpus : 1);
    run(true, 1);
    report();
    return total.failed == 0 ? 0 : 1;
}
