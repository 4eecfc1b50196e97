/* SETTINGS payloads: what is read can be written again, and comes out the same. */
#include <halo/error.h>
#include <halo/settings.h>

#include "core/base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Member by member: what lies between an id and its value is anything. */
static void check_same(const struct halo_settings *a, const struct halo_settings *b)
{
    HALO_ASSERT(memcmp(a, b, offsetof(struct halo_settings, custom)) == 0);
    HALO_ASSERT(a->custom_count == b->custom_count);
    for (uint32_t i = 0; i < a->custom_count; i++) {
        HALO_ASSERT(a->custom[i].id == b->custom[i].id);
        HALO_ASSERT(a->custom[i].value == b->custom[i].value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct halo_settings settings;
    struct halo_settings again;
    uint8_t packed[6 * (9 + HALO_CUSTOM_SETTINGS_MAX)];
    size_t len;
    int status = halo_settings_unpack(&settings, data, size);

    if (status != 0) {
        HALO_ASSERT(status == HALO_E_PACKED_SETTINGS_LENGTH ||
                    status == HALO_E_INVALID_SETTING_VALUE);
        HALO_ASSERT((status == HALO_E_PACKED_SETTINGS_LENGTH) == (size % 6 != 0));
        return 0;
    }
    HALO_ASSERT(settings.custom_count <= HALO_CUSTOM_SETTINGS_MAX);
    status = halo_settings_pack(&settings, packed, sizeof(packed), &len);
    if (halo_settings_check(&settings) != 0) {
        HALO_ASSERT(status != 0);
        return 0;
    }
    HALO_ASSERT(status == 0 && len % 6 == 0 && len <= sizeof(packed));
    HALO_ASSERT(halo_settings_unpack(&again, packed, len) == 0);
    check_same(&again, &settings);
    HALO_ASSERT(len == 0 || halo_settings_pack(&settings, packed, len - 1, &len) == HALO_E_LIMIT);
    return 0;
}
