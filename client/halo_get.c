/*
 * halo-get: fetches URLs over HTTP/2. See get.h for its parts, and HELP in get_options.c for what
 * it does.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/get.h"

/* How long connections may take to end in order, when all is done. */
enum { CLOSE_MS = 500 };

void get_say(const char *format, ...)
{
    va_list arguments;

    fputs("halo-get: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

/* ---- the order of transfers ------------------------------------------------------------ */

static void on_close_time(halo_timer *timer, void *ctx)
{
    struct get *get = ctx;

    (void)timer;
    halo_loop_stop(get->loop);
}

/* All is done: connections say goodbye, and the loop ends with the last of them. */
static void wind_up(struct get *get)
{
    halo_timer *timer;

    get->ending = true;
    get_connections_close(get);
    if (halo_timer_start(&timer, get->loop, CLOSE_MS, 0, on_close_time, get) == 0) {
        halo_timer_unref(timer);
    } else {
        halo_loop_stop(get->loop);
    }
}

/* Starts what may be under way now. */
static void start_more(struct get *get)
{
    size_t max = get->options.parallel ? TRANSFERS_MAX : 1;

    while (get->num_started < get->options.num_urls && get->num_started - get->num_done < max &&
           !get->ending) {
        get_transfer_start(&get->transfers[get->num_started++]);
    }
}

/* Nobody can read what still comes. */
static void give_up(struct get *get)
{
    get->ending = true;
    for (size_t i = 0; i < get->num_started; i++) {
        get_transfer_cancel(&get->transfers[i]);
    }
    halo_loop_stop(get->loop);
}

void get_transfer_done(struct get_transfer *transfer, const char *why)
{
    struct get *get = transfer->get;

    get->num_done++;
    get_output_end(get->outputs, transfer->index);
    if (get->ending) {
        return;
    }
    if (get_outputs_broken(get->outputs)) {
        give_up(get);
        return;
    }
    if (why != NULL) {
        get_say("%s: %s", transfer->url_text, why);
        get->failed = true;
    }
    if (get->num_done == get->options.num_urls) {
        wind_up(get);
    } else {
        start_more(get);
    }
}

/* ---- start and end --------------------------------------------------------------------- */

static bool needs_tls(const struct get *get)
{
    static const halo_bytes https = HALO_LIT("https");
    bool needed = get->options.ca_file != NULL;

    for (size_t i = 0; i < get->options.num_urls; i++) {
        needed |= halo_bytes_equal(get->transfers[i].url.scheme, https) != 0;
    }
    return needed;
}

static int make_tls(struct get *get)
{
    struct halo_tls_options options;
    char why[512];

    if (!needs_tls(get)) {
        return 0;
    }
    halo_tls_options_init(&options);
    options.role = HALO_TLS_CLIENT;
    options.ca_file = get->options.ca_file;
    options.insecure = get->options.insecure;
    if (halo_tls_context_new(&get->tls, &options, why, sizeof(why)) != 0) {
        get_say("%s%s", get->options.ca_file != NULL ? "option --cacert: " : "", why);
        return EXIT_USAGE;
    }
    return 0;
}

static int make_transfers(struct get *get)
{
    get->transfers = calloc(get->options.num_urls, sizeof(*get->transfers));
    if (get->transfers == NULL) {
        get_say("out of memory");
        return EXIT_INCOMPLETE;
    }
    for (size_t i = 0; i < get->options.num_urls; i++) {
        if (!get_transfer_init(&get->transfers[i], get, i)) {
            get_say("out of memory");
            return EXIT_INCOMPLETE;
        }
    }
    return 0;
}

static int run(struct get *get)
{
    int status;

    if (halo_loop_new(&get->loop, NULL) != 0) {
        get_say("out of memory");
        return EXIT_INCOMPLETE;
    }
    start_more(get);
    status = halo_loop_run(get->loop);
    if (status != 0) {
        const char *why = halo_loop_error(get->loop);

        get_say("%s", *why != '\0' ? why : halo_status_text(status));
        get->failed = true;
    }
    get->ending = true;
    get_body_close(&get->body);
    halo_loop_free(get->loop);
    return get->failed ? EXIT_INCOMPLETE : 0;
}

static int fetch(struct get *get)
{
    int status = make_transfers(get);

    if (status == 0) {
        status = make_tls(get);
    }
    if (status == 0) {
        status = get_body_open(&get->body, &get->options);
    }
    if (status == 0) {
        status = get_outputs_open(&get->outputs, get->options.output, get->options.num_urls);
    }
    if (status == 0) {
        status = run(get);
    }
    if (get->outputs != NULL && !get_outputs_close(get->outputs)) {
        status = EXIT_INCOMPLETE;
    }
    get_connections_free(get);
    halo_tls_context_free(get->tls);
    for (size_t i = 0; get->transfers != NULL && i < get->options.num_urls; i++) {
        get_transfer_fini(&get->transfers[i]);
    }
    free(get->transfers);
    return status;
}

/* A closed stdout must not become the number of a socket: writes to these places fail. */
static void fill_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

int main(int argc, char **argv)
{
    struct get get = { 0 };
    int status;

    fill_standard_descriptors();
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error with a message */
    status = get_options_read(&get.options, argc, argv);
    if (status < 0) {
        status = fetch(&get);
    }
    get_options_free(&get.options);
    return status;
}
