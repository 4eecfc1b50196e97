#include "tls/library.h"

#include <pthread.h>
#include <stdio.h>

#include "tls/accel.h"
#include "tls/allocator.h"
#include "tls/tls.h"

static pthread_once_t start_once = PTHREAD_ONCE_INIT;
static int start_status;
static char name[32];

static pthread_key_t thread_end;
static bool have_thread_end;
static _Thread_local bool registered;

static void at_thread_end(void *ignored)
{
    (void)ignored;
    tls_thread_exit();
}

void tls_library_use_thread(void)
{
    if (!registered && have_thread_end) {
        /* Any value but NULL makes the destructor run. */
        registered = pthread_setspecific(thread_end, &registered) == 0;
    }
}

static void start(void)
{
    have_thread_end = pthread_key_create(&thread_end, at_thread_end) == 0;
    tls_allocator_install();
    start_status = wolfSSL_Init();
    if (start_status == WOLFSSL_SUCCESS) {
        tls_accel_install();
    }
}

int tls_library_start(const struct tls_report *report)
{
    /* A shared wolfSSL may have been replaced since halo was compiled; its headers describe the one
     * release that they came with. */
    if (wolfSSL_lib_version_hex() != LIBWOLFSSL_VERSION_HEX) {
        return tls_report(report, HALO_E_TLS,
                          "halo was built for wolfSSL %s, but wolfSSL %s is loaded",
                          LIBWOLFSSL_VERSION_STRING, wolfSSL_lib_version());
    }
    (void)pthread_once(&start_once, start);
    if (start_status != WOLFSSL_SUCCESS) {
        return tls_report(report, HALO_E_TLS, "wolfSSL does not start (its code %d)", start_status);
    }
    tls_library_use_thread();
    return 0;
}

static void write_name(void)
{
    (void)snprintf(name, sizeof(name), "wolfSSL %s", wolfSSL_lib_version());
}

const char *halo_tls_library(void)
{
    static pthread_once_t name_once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&name_once, write_name);
    return name;
}

const char *halo_tls_library_holes(void)
{
    /* Holes of releases before the pinned one that a peer could reach through halo. Distributions
     * may have closed some without changing the number. */
    if (wolfSSL_lib_version_hex() >= 0x05009002) {
        return "";
    }
    return "This wolfSSL is older than 5.9.2. Holes that may be open in it: CVE-2026-3547 (reads "
           "out of "
           "bounds in ALPN parsing) and CVE-2025-11936, CVE-2025-11933 (memory leaks on malformed "
           "ClientHellos): halo checks every ClientHello before wolfSSL sees it, which covers "
           "these. "
           "CVE-2026-5194 and others in the verification of certificates: not covered, they "
           "concern "
           "clients, and servers that ask for certificates. Resumption holes: halo does not "
           "resume.";
}

static bool is_started(void)
{
    const struct tls_report nobody = { NULL, 0 };

    return tls_library_start(&nobody) == 0;
}

const char *halo_tls_accelerator(void)
{
    return is_started() ? tls_accel_name() : "";
}

const char *halo_tls_accelerator_off(void)
{
    return is_started() ? tls_accel_off() : "";
}

void tls_thread_exit(void)
{
#ifdef FP_ECC
    /* Per thread and up to 12 MiB in builds that have it. */
    wc_ecc_fp_free();
#endif
    tls_allocator_thread_exit();
}
