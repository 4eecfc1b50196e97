/* An application as a user writes it: built outside the tree against the installed library. */
#include <stdio.h>
#include <string.h>

#include <halo/version.h>

#ifdef OWN_NAMES
/* Names of the libraries inside libhalo.a are the application's to use. */
#ifdef __cplusplus
extern "C" {
#endif
int wolfSSL_Init(void);
int llhttp_execute(void);

int wolfSSL_Init(void)
{
    return 1;
}

int llhttp_execute(void)
{
    return 1;
}
#ifdef __cplusplus
}
#endif
#endif

int main(void)
{
    printf("%s\n", halo_version());
#ifdef OWN_NAMES
    if (wolfSSL_Init() != 1 || llhttp_execute() != 1)
        return 1;
#endif
    return strcmp(halo_version(), HALO_VERSION_STRING) != 0;
}
