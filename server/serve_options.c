#include "server/serve_options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char serve_options_help[] =
    "usage: halo-serve --root DIR --listen ADDR:PORT ...\n"
    "       halo-serve --root DIR --listen-tls ADDR:PORT --cert FILE --key FILE ...\n"
    "\n"
    "Serves the files of a directory over HTTP/2.\n"
    "\n"
    "  --root DIR              the directory\n"
    "  --listen ADDR:PORT      without TLS, for clients that know (h2c); may be repeated\n"
    "  --listen-tls ADDR:PORT  with TLS 1.3 or 1.2 (h2); may be repeated\n"
    "  --cert FILE, --key FILE certificate chain and private key in PEM, of the --listen-tls\n"
    "                          before them; a --listen-tls without any has the first ones given\n"
    "  --workers N             threads that serve, 1 to 1024; default 1\n"
    "  --balance               with more workers: each connection goes to the one that has fewest\n"
    "  --http1                 HTTP/1.1 and 1.0, too, for clients without HTTP/2\n"
    "  --max-streams N         requests at once on one connection; default 128\n"
    "  --zero-copy N           sends of N octets and more without TLS are not copied by the "
    "kernel,\n"
    "                          16384 to 131072; for real network cards only, default off\n"
    "  --quiet                 no access log on standard error\n"
    "  --help, --version\n"
    "\n"
    "ADDR:PORT is 127.0.0.1:8080 or [::1]:8080; :8080 listens on all addresses, port 0 takes a "
    "free\n"
    "one. When all is ready, \"listening h2c 127.0.0.1:8080\" is printed for each address.\n"
    "\n"
    "A directory is answered with its index.html. Not served: names that begin with a dot (but\n"
    "/.well-known/), what is not a regular file, and links that lead out of DIR.\n"
    "\n"
    "SIGTERM or SIGINT: no new connections, responses under way are finished, then it ends with\n"
    "status 0; a second one ends it at once with status 1. Status 2: wrong options, or something\n"
    "they name cannot be used.\n";

enum {
    WORKERS_MAX = 1024,
    STREAMS_MAX = 0x7fffffff,
    ZERO_COPY_MIN = 16384,
    ZERO_COPY_MAX = 131072,
};

struct parser {
    struct serve_options *options;
    int argc;
    char **argv;
    int at;
    const char *attached; /* VALUE of --name=VALUE */
    /* --cert and --key that come before any --listen-tls. */
    struct serve_listener first;
    char *error;
    size_t error_size;
};

__attribute__((format(printf, 2, 3))) static enum serve_options_result wrong(struct parser *parser,
                                                                             const char *format,
                                                                             ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(parser->error, parser->error_size, format, arguments);
    va_end(arguments);
    return SERVE_OPTIONS_WRONG;
}

/* ---- values ---------------------------------------------------------------------------- */

/* The value of an option; NULL after an error. */
static const char *take_value(struct parser *parser, const char *name, const char *example)
{
    const char *value = parser->attached;

    if (value == NULL && parser->at < parser->argc) {
        value = parser->argv[parser->at];
        if (strncmp(value, "--", 2) == 0) {
            value = NULL; /* the next option, most likely */
        } else {
            parser->at++;
        }
    }
    parser->attached = NULL;
    if (value == NULL || value[0] == '\0') {
        wrong(parser, "%s needs a value, for example %s", name, example);
        return NULL;
    }
    return value;
}

static enum serve_options_result take_number(struct parser *parser, const char *name,
                                             uint32_t minimum, uint32_t maximum, uint32_t *number)
{
    const char *text = take_value(parser, name, minimum > 4 ? "65536" : "4");
    unsigned long long value;
    char *end;

    if (text == NULL) {
        return SERVE_OPTIONS_WRONG;
    }
    errno = 0;
    value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < minimum ||
        value > maximum) {
        return wrong(parser, "%s must be a number from %u to %u, not \"%s\"", name, minimum,
                     maximum, text);
    }
    *number = (uint32_t)value;
    return SERVE_OPTIONS_OK;
}

static enum serve_options_result take_listener(struct parser *parser, const char *name, bool tls)
{
    struct serve_options *options = parser->options;
    const char *address = take_value(parser, name, "127.0.0.1:8080");

    if (address == NULL) {
        return SERVE_OPTIONS_WRONG;
    }
    if (options->num_listeners == SERVE_LISTENERS_MAX) {
        return wrong(parser, "too many addresses: at most %d can be listened on",
                     SERVE_LISTENERS_MAX);
    }
    options->listeners[options->num_listeners++] = (struct serve_listener){
        .address = address,
        .tls = tls,
    };
    return SERVE_OPTIONS_OK;
}

/* Whose --cert or --key is it? That of the latest TLS listener, or of those without any. */
static struct serve_listener *certificate_owner(struct parser *parser)
{
    struct serve_options *options = parser->options;

    for (uint32_t i = options->num_listeners; i > 0; i--) {
        if (options->listeners[i - 1].tls) {
            return &options->listeners[i - 1];
        }
    }
    return &parser->first;
}

static enum serve_options_result take_name(struct parser *parser, const char *name,
                                           const char *example, const char **file)
{
    const char *value = take_value(parser, name, example);

    if (value == NULL) {
        return SERVE_OPTIONS_WRONG;
    }
    if (*file != NULL) {
        return wrong(parser, "%s was given already as %s; is %s for another --listen-tls?", name,
                     *file, value);
    }
    *file = value;
    return SERVE_OPTIONS_OK;
}

/* ---- options --------------------------------------------------------------------------- */

static enum serve_options_result no_value(struct parser *parser, const char *name)
{
    if (parser->attached != NULL) {
        return wrong(parser, "%s takes no value, but \"%s\" was given", name, parser->attached);
    }
    return SERVE_OPTIONS_OK;
}

static enum serve_options_result take_option(struct parser *parser, const char *name)
{
    struct serve_options *options = parser->options;

    if (strcmp(name, "--root") == 0) {
        if (options->root != NULL) {
            return wrong(parser, "--root is given twice: one directory can be served");
        }
        return take_name(parser, name, "./public", &options->root);
    }
    if (strcmp(name, "--listen") == 0) {
        return take_listener(parser, name, false);
    }
    if (strcmp(name, "--listen-tls") == 0) {
        return take_listener(parser, name, true);
    }
    if (strcmp(name, "--cert") == 0) {
        return take_name(parser, name, "server.pem", &certificate_owner(parser)->certificate);
    }
    if (strcmp(name, "--key") == 0) {
        return take_name(parser, name, "server.key", &certificate_owner(parser)->key);
    }
    if (strcmp(name, "--workers") == 0) {
        return take_number(parser, name, 1, WORKERS_MAX, &options->workers);
    }
    if (strcmp(name, "--max-streams") == 0) {
        return take_number(parser, name, 1, STREAMS_MAX, &options->max_streams);
    }
    if (strcmp(name, "--zero-copy") == 0) {
        return take_number(parser, name, ZERO_COPY_MIN, ZERO_COPY_MAX, &options->zero_copy_min);
    }
    if (strcmp(name, "--quiet") == 0) {
        options->quiet = true;
        return no_value(parser, name);
    }
    if (strcmp(name, "--http1") == 0) {
        options->http1 = true;
        return no_value(parser, name);
    }
    if (strcmp(name, "--balance") == 0) {
        options->balance = true;
        return no_value(parser, name);
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return SERVE_OPTIONS_HELP;
    }
    if (strcmp(name, "--version") == 0) {
        return SERVE_OPTIONS_VERSION;
    }
    if (name[0] == '-') {
        return wrong(parser, "unknown option %s; --help lists the options", name);
    }
    return wrong(parser, "what is \"%s\"? The directory to serve is given by --root", name);
}

/* The argument at hand, taken apart at its "=". */
static enum serve_options_result take_argument(struct parser *parser)
{
    const char *argument = parser->argv[parser->at++];
    const char *equals = strchr(argument, '=');
    char name[32];
    size_t len;

    parser->attached = NULL;
    if (strncmp(argument, "--", 2) != 0 || equals == NULL ||
        (size_t)(equals - argument) >= sizeof(name)) {
        return take_option(parser, argument);
    }
    len = (size_t)(equals - argument);
    memcpy(name, argument, len);
    name[len] = '\0';
    parser->attached = equals + 1;
    return take_option(parser, name);
}

/* ---- what belongs together ------------------------------------------------------------- */

/* The first pair of certificate and key, for listeners that have none of their own. */
static const struct serve_listener *first_pair(const struct parser *parser)
{
    const struct serve_options *options = parser->options;

    if (parser->first.certificate != NULL || parser->first.key != NULL) {
        return &parser->first;
    }
    for (uint32_t i = 0; i < options->num_listeners; i++) {
        if (options->listeners[i].certificate != NULL || options->listeners[i].key != NULL) {
            return &options->listeners[i];
        }
    }
    return &parser->first;
}

static enum serve_options_result complete_listeners(struct parser *parser)
{
    struct serve_options *options = parser->options;
    const struct serve_listener *pair = first_pair(parser);
    bool any_tls = false;

    for (uint32_t i = 0; i < options->num_listeners; i++) {
        struct serve_listener *listener = &options->listeners[i];

        if (!listener->tls) {
            continue;
        }
        any_tls = true;
        if (listener->certificate == NULL && listener->key == NULL) {
            listener->certificate = pair->certificate;
            listener->key = pair->key;
        }
        if (listener->certificate == NULL) {
            return wrong(parser, "--listen-tls %s has no certificate: add --cert FILE",
                         listener->address);
        }
        if (listener->key == NULL) {
            return wrong(parser, "--listen-tls %s has no private key: add --key FILE",
                         listener->address);
        }
    }
    if (!any_tls && (pair->certificate != NULL || pair->key != NULL)) {
        return wrong(parser, "--cert and --key are for --listen-tls ADDR:PORT, which is missing");
    }
    return SERVE_OPTIONS_OK;
}

enum serve_options_result serve_options_parse(struct serve_options *options, int argc, char **argv,
                                              char *error, size_t error_size)
{
    struct parser parser = {
        .options = options,
        .argc = argc,
        .argv = argv,
        .at = 1,
        .error = error,
        .error_size = error_size,
    };

    *options = (struct serve_options){ .workers = 1 };
    while (parser.at < argc) {
        enum serve_options_result result = take_argument(&parser);

        if (result != SERVE_OPTIONS_OK) {
            return result;
        }
    }
    if (options->root == NULL) {
        return wrong(&parser, "no directory to serve: add --root DIR");
    }
    if (options->num_listeners == 0) {
        return wrong(&parser, "no address to listen on: add --listen 127.0.0.1:8080");
    }
    return complete_listeners(&parser);
}
