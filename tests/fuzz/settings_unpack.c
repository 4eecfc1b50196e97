/* SETTINGS payloads: what is read can be written again, and comes out the same. */
#include <halo/error.h>
#include <halo/settings.h>

#include "core/base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    HALO_ASSERT(again.present == settings.present && again.custom_count == settings.custom_count);
    HALO_ASSERT(memcmp(&again, &settings, sizeof(again)) == 0);
    HALO_ASSERT(len == 0 || halo_settings_pack(&settings, packed, len - 1, &len) == HALO_E_LIMIT);
    return 0;
}
