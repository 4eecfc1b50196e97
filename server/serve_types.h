/* Content types by the extension of a file's name. */
#ifndef HALO_SERVER_SERVE_TYPES_H
#define HALO_SERVER_SERVE_TYPES_H

#include <halo/types.h>

/* The type of the file at `path`; "application/octet-stream" when the extension is unknown or there
 * is none. Text says that it is UTF-8. Static. */
halo_bytes serve_content_type(const char *path);

#endif
