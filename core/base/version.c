#include <halo/version.h>

const char *halo_version(void)
{
    return HALO_VERSION_STRING;
}

int halo_version_number(void)
{
    return HALO_VERSION_NUMBER;
}
