/* wolfSSL as a whole: started once a process, cleaned up once a thread, and what is known about
 * it. */
#ifndef HALO_TLS_LIBRARY_H
#define HALO_TLS_LIBRARY_H

#include "tls/context.h"

/* Any thread, any number of times. */
int tls_library_start(const struct tls_report *report) HALO_MUST_USE;

/* To be called on each thread that is about to use wolfSSL: makes tls_thread_exit() run when the
 * thread ends. */
void tls_library_use_thread(void);

#endif
