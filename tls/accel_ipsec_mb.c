/*
 * Intel's library for AES-GCM (Debian: libipsec-mb), of which only the code for VAES and AVX-512 is
 * used: it is more than twice as quick as wolfSSL, which has registers of 128 bits.
 *
 * The expanded key is made for each record and forgotten again. That takes 0.12 us, a record of
 * 16 KiB 1.4 us where wolfSSL takes 3.1; kept, it would be 1 KiB for each direction of each
 * connection, or a cache of secrets whose entries must be found and made invalid.
 */
#include <string.h>

#include <intel-ipsec-mb.h>

#include "tls/accel_cipher.h"

/* The library wants it aligned, which its header says with a macro that applications do not
 * define; the room behind makes it whole lines. */
struct expanded_key {
    _Alignas(64) struct gcm_key_data data;
};

/* Everything that is derived from a key. */
struct work {
    struct expanded_key key;
    struct gcm_context_data context;
};

/* The library's functions for one length of keys. They keep no state: the manager, which holds
 * 200 KB for other algorithms, is needed only to find them. */
struct functions {
    aes_gcm_pre_t expand;
    aes_gcm_enc_dec_t encrypt;
    aes_gcm_enc_dec_t decrypt;
};

static struct functions with_128;
static struct functions with_256;

static const struct functions *functions_for(size_t key_len)
{
    return key_len == 16 ? &with_128 : &with_256;
}

static void seal(const struct accel_message *message, uint8_t *tag)
{
    const struct functions *functions = functions_for(message->key_len);
    struct work work;

    functions->expand(message->key, &work.key.data);
    functions->encrypt(&work.key.data, &work.context, message->out, message->in, message->len,
                       message->iv, message->aad, message->aad_len, tag, ACCEL_TAG_LEN);
    explicit_bzero(&work, sizeof(work));
}

static bool tags_are_equal(const uint8_t *one, const uint8_t *other)
{
    uint64_t a[2];
    uint64_t b[2];

    _Static_assert(sizeof(a) == ACCEL_TAG_LEN, "two words are a tag");
    memcpy(a, one, sizeof(a));
    memcpy(b, other, sizeof(b));
    return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
}

static bool open_sealed(const struct accel_message *message, const uint8_t *tag)
{
    const struct functions *functions = functions_for(message->key_len);
    uint8_t found[ACCEL_TAG_LEN];
    struct work work;
    bool good;

    functions->expand(message->key, &work.key.data);
    functions->decrypt(&work.key.data, &work.context, message->out, message->in, message->len,
                       message->iv, message->aad, message->aad_len, found, ACCEL_TAG_LEN);
    explicit_bzero(&work, sizeof(work));
    good = tags_are_equal(found, tag);
    explicit_bzero(found, sizeof(found));
    if (!good) {
        memset(message->out, 0, message->len);
    }
    return good;
}

/* ---- starting -------------------------------------------------------------------------- */

static bool cpu_can(const IMB_MGR *manager)
{
    /* All that the library's newest code for AVX-512 asks for. */
    const uint64_t wanted = IMB_CPUFLAGS_AVX512_T2;

    /* The library asks the processor only; the compiler's function asks as well whether the kernel
     * keeps the registers of AVX-512. */
    return (manager->features & wanted) == wanted && __builtin_cpu_supports("avx512f") != 0;
}

static const char *take_functions(IMB_MGR *manager)
{
    if (!cpu_can(manager)) {
        return "ipsec-mb is not used: this processor lacks VAES, VPCLMULQDQ or AVX-512, without "
               "which it is no quicker than wolfSSL.";
    }
    init_mb_mgr_avx512(manager);
    if (imb_get_errno(manager) != 0 || manager->used_arch != IMB_ARCH_AVX512) {
        return "ipsec-mb is not used: it does not start.";
    }
    with_128 = (struct functions){ manager->gcm128_pre, manager->gcm128_enc, manager->gcm128_dec };
    with_256 = (struct functions){ manager->gcm256_pre, manager->gcm256_enc, manager->gcm256_dec };
    return NULL;
}

const struct accel_cipher *accel_ipsec_mb(const char **why)
{
    static const struct accel_cipher cipher = {
        .name = "ipsec-mb " IMB_VERSION_STR,
        .seal = seal,
        .open = open_sealed,
    };
    IMB_MGR *manager;

    /* The manager's layout belongs to the release that the header came with. */
    if (imb_get_version() != IMB_VERSION_NUM) {
        *why = "ipsec-mb is not used: halo was built for another release of it.";
        return NULL;
    }
    manager = alloc_mb_mgr(0);
    if (manager == NULL) {
        *why = "ipsec-mb is not used: out of memory.";
        return NULL;
    }
    *why = take_functions(manager);
    free_mb_mgr(manager);
    if (*why != NULL) {
        return NULL;
    }
    *why = "";
    return &cipher;
}
