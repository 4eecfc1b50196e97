/*
 * AES-GCM by itself, in builds with -Daccel=ipsec-mb:
 *
 *     cipher_bench
 *
 * One line for each length of keys and of records: nanoseconds of a record and GB/s, sealed and opened, by
 * wolfSSL, by wolfSSL when the callback (tls/accel.h) is asked and leaves a short record to it, and by the
 * accelerator, which expands the key anew each time. By the clock of the thread, the best of 15 runs by turns;
 * valgrind's processor has none of the instructions that matter.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <halo/tls.h>

#include "core/base/base.h"
#include "tls/accel.h" /* with it come wolfSSL's names for AES-GCM */
#include "tls/accel_cipher.h"
#include "tls/limits.h"

enum {
    RUNS = 15,
    OCTETS_OF_RUN = 8 * 1024 * 1024,
    ROUNDS_MAX = 20000,
};

enum way {
    BY_WOLFSSL,
    WITH_CALLBACK,
    BY_ACCELERATOR,
    WAYS,
};

static uint8_t in[TLS_RECORD_MAX];
static uint8_t out[TLS_RECORD_MAX];
static uint8_t key[32];
static uint8_t iv[ACCEL_IV_LEN];
static uint8_t aad[5];
static uint8_t tag[ACCEL_TAG_LEN];
static Aes keys[WAYS];

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "cipher_bench: %s\n", what);
        exit(1);
    }
}

static uint64_t clock_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void seal(const struct accel_cipher *cipher, enum way way, size_t key_len, size_t len)
{
    const struct accel_message message = { key, key_len, iv, aad, sizeof(aad), in, out, len };

    if (way == BY_ACCELERATOR) {
        cipher->seal(&message, tag);
        return;
    }
    require(wc_AesGcmEncrypt(&keys[way], out, in, (word32)len, iv, sizeof(iv), tag, sizeof(tag),
                             aad, sizeof(aad)) == 0,
            "wolfSSL does not encrypt");
}

static void open_sealed(const struct accel_cipher *cipher, enum way way, size_t key_len, size_t len)
{
    const struct accel_message message = { key, key_len, iv, aad, sizeof(aad), out, in, len };

    if (way == BY_ACCELERATOR) {
        require(cipher->open(&message, tag), "the accelerator refuses wolfSSL's record");
        return;
    }
    require(wc_AesGcmDecrypt(&keys[way], in, out, (word32)len, iv, sizeof(iv), tag, sizeof(tag),
                             aad, sizeof(aad)) == 0,
            "wolfSSL refuses the accelerator's record");
}

/* Nanoseconds of a record, all ways by turns. */
static void measure(const struct accel_cipher *cipher,
                    void (*work)(const struct accel_cipher *, enum way, size_t, size_t),
                    size_t key_len, size_t len, double *best)
{
    size_t rounds = min_size(OCTETS_OF_RUN / len, ROUNDS_MAX);

    for (int run = 0; run < RUNS; run++) {
        for (int way = 0; way < WAYS; way++) {
            uint64_t began = clock_ns();
            double each;

            for (size_t i = 0; i < rounds; i++) {
                work(cipher, (enum way)way, key_len, len);
            }
            each = (double)(clock_ns() - began) / (double)rounds;
            best[way] = run == 0 || each < best[way] ? each : best[way];
        }
    }
}

static void print(const double *best, size_t len)
{
    for (int way = 0; way < WAYS; way++) {
        if (way == WITH_CALLBACK && len >= TLS_ACCEL_RECORD_MIN) {
            printf("  %6s        ", "-"); /* it would be the accelerator */
        } else {
            printf("  %6.0f (%5.2f)", best[way], (double)len / best[way]);
        }
    }
}

int main(void)
{
    static const size_t lens[] = { 16, 64, 256, 1024, 2048, 4096, 8192, 16384 };
    const struct accel_cipher *cipher;
    const char *why = halo_tls_accelerator_off();

    require(halo_tls_accelerator()[0] != '\0', why);
    cipher = accel_ipsec_mb(&why);
    require(cipher != NULL, why);
    printf("%s and %s: nanoseconds (GB/s) of a record\n", halo_tls_library(), cipher->name);
    printf("%4s %6s  %-48s  %-48s\n", "bits", "octets", "seal: wolfSSL, with callback, accelerator",
           "open");
    for (size_t key_len = 16; key_len <= 32; key_len += 16) {
        for (int way = BY_WOLFSSL; way <= WITH_CALLBACK; way++) {
            require(wc_AesInit(&keys[way], NULL,
                               way == BY_WOLFSSL ? INVALID_DEVID : TLS_ACCEL_DEVICE) == 0 &&
                        wc_AesGcmSetKey(&keys[way], key, (word32)key_len) == 0,
                    "wolfSSL does not take the key");
        }
        for (size_t i = 0; i < HALO_ARRAY_LEN(lens); i++) {
            double best[WAYS];

            measure(cipher, seal, key_len, lens[i], best);
            printf("%4zu %6zu", 8 * key_len, lens[i]);
            print(best, lens[i]);
            measure(cipher, open_sealed, key_len, lens[i], best);
            printf("   ");
            print(best, lens[i]);
            printf("\n");
        }
    }
    return 0;
}
