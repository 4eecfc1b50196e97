/* Everything of halo. */
#ifndef HALO_HALO_H
#define HALO_HALO_H

#include <halo/check.h>
#include <halo/client.h>
#include <halo/connection.h>
#include <halo/constants.h>
#include <halo/error.h>
#include <halo/header.h>
#include <halo/hpack.h>
#include <halo/loop.h>
#include <halo/names.h>
#include <halo/priority.h>
#include <halo/server.h>
#include <halo/session.h>
#include <halo/settings.h>
#include <halo/stream.h>
#include <halo/tls.h>
#include <halo/types.h>
#include <halo/version.h>

#endif
