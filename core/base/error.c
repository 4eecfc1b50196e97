#include <halo/error.h>

#include <stdio.h>
#include <stdlib.h>

#include "core/base/base.h"

const char *halo_status_name(int status)
{
    switch (status) {
    case HALO_OK:
        return "HALO_OK";
#define NAME_CASE(name, number, text)                                                              \
    case -(number):                                                                                \
        return "HALO_E_" #name;
        HALO_ERROR_TABLE(NAME_CASE)
#undef NAME_CASE
    default:
        return "HALO_E_UNKNOWN";
    }
}

const char *halo_status_text(int status)
{
    switch (status) {
    case HALO_OK:
        return "no error";
#define TEXT_CASE(name, number, text)                                                              \
    case -(number):                                                                                \
        return text;
        HALO_ERROR_TABLE(TEXT_CASE)
#undef TEXT_CASE
    default:
        return "unknown error";
    }
}

const char *halo_code_name(uint32_t code)
{
    switch (code) {
#define CODE_CASE(name, number)                                                                    \
    case number:                                                                                   \
        return #name;
        HALO_CODE_TABLE(CODE_CASE)
#undef CODE_CASE
    default:
        return "UNKNOWN";
    }
}

void halo__assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr,
            "halo: broken invariant: %s (%s:%d). This is a bug in halo or a call from the "
            "wrong thread; the process stops.\n",
            condition, file, line);
    abort();
}
