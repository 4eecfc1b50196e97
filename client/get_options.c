/* The command line of halo-get. Whatever is wrong with it ends with one message, which says what to
 * do. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/get.h"

static const char HELP[] =
    "usage: halo-get [option...] URL...\n"
    "\n"
    "Fetches URLs over HTTP/2: http:// without TLS (prior knowledge), https:// with TLS.\n"
    "\n"
    "  -o, --output FILE      write the body to FILE (one URL only); default: stdout\n"
    "  -i, --include          write the response's status and fields too, before the body, and\n"
    "                         trailers behind it\n"
    "  -v, --verbose          a line on stderr for each frame, '>' sent and '<' received, with\n"
    "                         the fields of header blocks\n"
    "  -d, --data DATA        send DATA as body; the method becomes POST\n"
    "  -d, --data @FILE       send the content of FILE; @- is stdin\n"
    "  -X, --request METHOD   use this method\n"
    "  -H, --header 'NAME: VALUE'\n"
    "                         send this field; may be repeated\n"
    "      --cacert FILE      trust the CA certificates in FILE (PEM) and not the system's\n"
    "  -k, --insecure         accept any certificate\n"
    "      --parallel         fetch all URLs at once, on one connection for each origin. Bodies\n"
    "                         are written whole and in the order of the URLs; what comes before\n"
    "                         its turn waits in a temporary file (in TMPDIR, else /tmp)\n"
    "      --connect-timeout SECONDS\n"
    "                         give up when the connection is not there by then; default 10\n"
    "      --max-time SECONDS give a transfer up when it is not complete by then\n"
    "      --help             print this\n"
    "      --version          print the version\n"
    "\n"
    "Without --parallel URLs are fetched one after the other; those of one origin share a\n"
    "connection.\n"
    "\n"
    "Exit status: 0 when every transfer was complete, whatever its HTTP status; 1 when one was\n"
    "not, or its output could not be written; 2 when the command line is wrong.\n";

enum {
    OPTION_CACERT = 256,
    OPTION_PARALLEL,
    OPTION_CONNECT_TIMEOUT,
    OPTION_MAX_TIME,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option long_options[] = {
    { "output", required_argument, NULL, 'o' },
    { "include", no_argument, NULL, 'i' },
    { "verbose", no_argument, NULL, 'v' },
    { "data", required_argument, NULL, 'd' },
    { "request", required_argument, NULL, 'X' },
    { "header", required_argument, NULL, 'H' },
    { "cacert", required_argument, NULL, OPTION_CACERT },
    { "insecure", no_argument, NULL, 'k' },
    { "parallel", no_argument, NULL, OPTION_PARALLEL },
    { "connect-timeout", required_argument, NULL, OPTION_CONNECT_TIMEOUT },
    { "max-time", required_argument, NULL, OPTION_MAX_TIME },
    { "help", no_argument, NULL, OPTION_HELP },
    { "version", no_argument, NULL, OPTION_VERSION },
    { NULL, 0, NULL, 0 },
};

/* Says what is wrong, and is the exit status. */
#define USAGE(...) (get_say(__VA_ARGS__), (int)EXIT_USAGE)

/* ---- values ---------------------------------------------------------------------------- */

static int set_once(const char **place, const char *option, const char *value)
{
    if (*place != NULL) {
        return USAGE("option %s is given twice; give it once", option);
    }
    *place = value;
    return 0;
}

static int read_method(struct get_options *options, const char *value)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    if (*value == '\0') {
        return USAGE("option -X: the method is empty; give one like PUT");
    }
    for (const char *at = value; *at != '\0'; at++) {
        bool letter = (*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z');

        if (!letter && !(*at >= '0' && *at <= '9') && strchr(others, *at) == NULL) {
            return USAGE("option -X: '%s' is not a method; give one like PUT", value);
        }
    }
    if (strcmp(value, "CONNECT") == 0) {
        return USAGE("option -X: halo-get makes no tunnels; give another method than CONNECT");
    }
    return set_once(&options->method, "-X", value);
}

static int read_seconds(uint32_t *ms, const char *option, const char *value)
{
    char *end;
    double seconds = strtod(value, &end);

    if (end == value || *end != '\0' || !isfinite(seconds) || seconds < 0.001 ||
        seconds > 4000000) {
        return USAGE("option %s: '%s' is not a number of seconds from 0.001 to 4000000", option,
                     value);
    }
    *ms = (uint32_t)(seconds * 1000 + 0.5);
    return 0;
}

static char *copy(const char *data, size_t len)
{
    char *memory = malloc(len + 1);

    if (memory == NULL) {
        get_say("out of memory");
        exit(EXIT_INCOMPLETE);
    }
    memcpy(memory, data, len);
    memory[len] = '\0';
    return memory;
}

static void lower_case(char *text)
{
    for (; *text != '\0'; text++) {
        *text = *text >= 'A' && *text <= 'Z' ? (char)(*text | 0x20) : *text;
    }
}

static const char *trim(const char *text, size_t *len)
{
    while (*text == ' ' || *text == '\t') {
        text++;
    }
    *len = strlen(text);
    while (*len > 0 && (text[*len - 1] == ' ' || text[*len - 1] == '\t')) {
        (*len)--;
    }
    return text;
}

/* Would halo send this field? Says why not. */
static int check_field(const halo_header *field, const char *text)
{
    halo_header_set *set;
    int status;

    if (!halo_header_name_ok(field->name)) {
        return USAGE("option -H: '%s' has no valid field name; write it as 'name: value'", text);
    }
    if (!halo_header_value_ok(field->value)) {
        return USAGE("option -H: the value of %s has an octet that fields must not have",
                     field->name.data);
    }
    status = halo_header_set_new(&set, field, 1);
    if (status != 0) {
        return USAGE("option -H: %s cannot be sent over HTTP/2 (%s); leave it out",
                     field->name.data, halo_status_text(status));
    }
    halo_header_set_free(set);
    return 0;
}

static int read_header(struct get_options *options, const char *text)
{
    static const halo_bytes host = HALO_LIT("host");
    const char *colon = strchr(text, ':');
    halo_header field = { 0 };
    const char *value;
    char *name;
    int status;

    if (colon == NULL || colon == text) {
        return USAGE("option -H: '%s' is not a field; write it as 'name: value'", text);
    }
    name = copy(text, (size_t)(colon - text));
    lower_case(name);
    value = trim(colon + 1, &field.value.len);
    field.name = halo_str(name);
    field.value.data = value;
    status = check_field(&field, text);
    if (status == 0 && halo_bytes_equal(field.name, host)) {
        options->host = field.value; /* HTTP/2 has :authority for it */
        free(name);
        return 0;
    }
    if (status != 0) {
        free(name);
        return status;
    }
    options->headers[options->num_headers++] = field;
    return 0;
}

bool get_options_has(const struct get_options *options, halo_bytes name)
{
    for (size_t i = 0; i < options->num_headers; i++) {
        if (halo_bytes_equal(options->headers[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* ---- the line -------------------------------------------------------------------------- */

static int check_url(const char *text)
{
    struct halo_url url;

    switch (halo_url_parse(&url, text)) {
    case 0:
        return 0;
    case HALO_E_UNSUPPORTED_PROTOCOL:
        return USAGE("URL '%s' does not begin with http:// or https://", text);
    case HALO_E_BAD_AUTHORITY:
        return USAGE("URL '%s': host or port cannot be read; wanted is http://HOST[:PORT]/PATH, "
                     "with IPv6 addresses in brackets",
                     text);
    default:
        return USAGE("URL '%s' has a space, a control octet or one that is not ASCII; write it as "
                     "%%XX",
                     text);
    }
}

static int check_all(struct get_options *options)
{
    int status;

    if (options->num_urls == 0) {
        return USAGE("no URL is given; see halo-get --help");
    }
    for (size_t i = 0; i < options->num_urls; i++) {
        status = check_url(options->urls[i]);
        if (status != 0) {
            return status;
        }
    }
    if (options->output != NULL && options->num_urls > 1) {
        return USAGE("option -o takes the body of one URL, but %zu are given; call halo-get for "
                     "each",
                     options->num_urls);
    }
    return -1;
}

static int print(const char *text)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
        get_say("stdout cannot be written");
        return EXIT_INCOMPLETE;
    }
    return 0;
}

static int print_version(void)
{
    char text[256];

    snprintf(text, sizeof(text), "halo-get %s%s%s%s%s\n", halo_version(),
             *halo_tls_library() != '\0' ? ", " : ", without TLS", halo_tls_library(),
             *halo_tls_accelerator() != '\0' ? ", " : "", halo_tls_accelerator());
    return print(text);
}

/* What getopt could not make sense of. */
static int option_error(int found, char **argv)
{
    const char *word = argv[optind - 1];

    if (found == ':') {
        return USAGE("option %s needs a value; see halo-get --help", word);
    }
    if (optopt >= 256 || (optopt != 0 && strncmp(word, "--", 2) == 0)) {
        return USAGE("option %s takes no value; see halo-get --help", word);
    }
    if (optopt != 0) {
        return USAGE("option -%c is not known; see halo-get --help", optopt);
    }
    return USAGE("option %s is not known; see halo-get --help", word);
}

/* Returns 0 to go on, or the exit status. */
static int read_option(struct get_options *options, int found, char **argv)
{
    switch (found) {
    case 'o':
        if (*optarg == '\0') {
            return USAGE("option -o: the file name is empty");
        }
        return set_once(&options->output, "-o", optarg);
    case 'i':
        options->include = true;
        return 0;
    case 'v':
        options->verbose = true;
        return 0;
    case 'd':
        return set_once(&options->data, "-d", optarg);
    case 'X':
        return read_method(options, optarg);
    case 'H':
        return read_header(options, optarg);
    case OPTION_CACERT:
        return set_once(&options->ca_file, "--cacert", optarg);
    case 'k':
        options->insecure = true;
        return 0;
    case OPTION_PARALLEL:
        options->parallel = true;
        return 0;
    case OPTION_CONNECT_TIMEOUT:
        return read_seconds(&options->connect_timeout_ms, "--connect-timeout", optarg);
    case OPTION_MAX_TIME:
        return read_seconds(&options->max_time_ms, "--max-time", optarg);
    default:
        return option_error(found, argv);
    }
}

int get_options_read(struct get_options *options, int argc, char **argv)
{
    int found;
    int status;

    *options = (struct get_options){ 0 };
    options->headers = calloc((size_t)argc, sizeof(halo_header));
    if (options->headers == NULL) {
        get_say("out of memory");
        return EXIT_INCOMPLETE;
    }
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":o:ivd:X:H:k", long_options, NULL)) != -1) {
        if (found == OPTION_HELP) {
            return print(HELP);
        }
        if (found == OPTION_VERSION) {
            return print_version();
        }
        status = read_option(options, found, argv);
        if (status != 0) {
            return status;
        }
    }
    options->urls = (const char **)argv + optind;
    options->num_urls = (size_t)(argc - optind);
    return check_all(options);
}

void get_options_free(struct get_options *options)
{
    for (size_t i = 0; i < options->num_headers; i++) {
        free((char *)(uintptr_t)options->headers[i].name.data);
    }
    free(options->headers);
    options->headers = NULL;
}
