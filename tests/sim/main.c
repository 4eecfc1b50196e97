/*
 * usage: sim [--seed N | --seeds FROM..TO] [--steps N] [--trace]
 *
 * Each seed is one run; see sim.h. The first that fails is printed with its last frames, and can be
 * had again with --seed. --steps is the length of the chaos, otherwise drawn from the seed.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pattern.h"
#include "sim.h"

static jmp_buf failed;
static struct run run;

static void print_frames(const struct run *of)
{
    uint32_t count = of->shown_count < FRAMES_SHOWN ? of->shown_count : FRAMES_SHOWN;

    for (uint32_t i = of->shown_count - count; i < of->shown_count; i++) {
        const struct shown_frame *shown = &of->shown[i % FRAMES_SHOWN];
        const uint8_t *payload = shown->frame.payload;

        fprintf(stderr, "  step %u: %s %s type %u flags %#x stream %u len %u", shown->step,
                shown->name, shown->sent ? "sent" : "got", shown->frame.type, shown->frame.flags,
                shown->frame.id, shown->frame.len);
        for (uint32_t j = 0; j < 8 && j < shown->frame.len; j++) {
            fprintf(stderr, "%s%02x", j == 0 ? ": " : "", payload[j]);
        }
        fprintf(stderr, "\n");
    }
}

static void print_where(void)
{
    fprintf(stderr, "sim: seed %llu, step %u: ", (unsigned long long)run.seed, run.step);
}

void sim_fail(struct run *of, const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    print_where();
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    print_frames(of);
    longjmp(failed, 1);
}

void sim_trace(struct run *of, const char *format, ...)
{
    va_list arguments;

    if (!of->trace) {
        return;
    }
    printf("%4u ", of->step);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

/* ---- crashes --------------------------------------------------------------------------- */

static void on_death(void)
{
    print_where();
    fprintf(stderr, "a crash\n");
    print_frames(&run);
}

static void on_abort(int number)
{
    fflush(stdout);
    on_death();
    signal(number, SIG_DFL);
    raise(number);
}

/* Of the sanitizers, when they are there. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

/* ---- arguments ------------------------------------------------------------------------- */

struct arguments {
    uint64_t from, to;
    uint32_t steps;
    bool trace;
};

static void usage(void)
{
    fprintf(stderr, "usage: sim [--seed N | --seeds FROM..TO] [--steps N] [--trace]\n");
    exit(2);
}

static struct arguments parse(int argc, char **argv)
{
    struct arguments arguments = { .from = 1, .to = 1000 };

    for (int i = 1; i < argc; i++) {
        char *rest = NULL;

        if (strcmp(argv[i], "--trace") == 0) {
            arguments.trace = true;
            continue;
        }
        if (i + 1 == argc) {
            usage();
        }
        if (strcmp(argv[i], "--seed") == 0) {
            arguments.from = arguments.to = strtoull(argv[++i], &rest, 10);
        } else if (strcmp(argv[i], "--seeds") == 0) {
            arguments.from = strtoull(argv[++i], &rest, 10);
            if (strncmp(rest, "..", 2) != 0) {
                usage();
            }
            arguments.to = strtoull(rest + 2, &rest, 10);
        } else if (strcmp(argv[i], "--steps") == 0) {
            arguments.steps = (uint32_t)strtoul(argv[++i], &rest, 10);
        } else {
            usage();
        }
        if (*rest != '\0') {
            usage();
        }
    }
    return arguments;
}

int main(int argc, char **argv)
{
    struct arguments arguments = parse(argc, argv);

    pattern_init();
    signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(on_death);
    }
    for (uint64_t seed = arguments.from; seed <= arguments.to; seed++) {
        memset(&run, 0, offsetof(struct run, list));
        run.set = NULL;
        run.shown_count = 0;
        run.seed = seed;
        run.steps = arguments.steps;
        run.trace = arguments.trace;
        if (setjmp(failed) != 0) {
            fflush(stderr);
            _exit(1);
        }
        run_seed(&run);
        run_clean(&run);
    }
    printf("%llu seeds, no failure\n", (unsigned long long)(arguments.to - arguments.from + 1));
    return 0;
}
