/*
 * Sends without a copy, for the scripted ring: what was sent is remembered, and looked at again
 * where it was when the notification comes. If it is not the same, somebody has used the memory
 * that the kernel was still reading: then the program ends.
 */
#ifndef HALO_TESTS_SCRIPTED_ZERO_COPY_H
#define HALO_TESTS_SCRIPTED_ZERO_COPY_H

#include <sys/uio.h>

#include "core/base/base.h"

/* How such sends go from now on. */
struct scripted_zero_copy {
    bool hold;   /* the peer acknowledges nothing: no notification before the socket is closed */
    bool copied; /* notifications say that the kernel has copied */
    bool noted;  /* with `refuse`: a notification follows the error */
    int refuse;  /* negative errno of every such send */
    uint16_t absent; /* of 1000: one completion, and no notification */
    uint16_t late;   /* of 1000: a notification waits for a later step, and others pass it */
};

/* One send that the kernel may still read. */
struct fake_note {
    uint64_t user_data;
    int fd;
    bool closed; /* the socket is gone */
    struct iovec *pieces;
    uint32_t num_pieces;
    uint8_t *octets; /* as they were */
    size_t len;      /* that were sent */
};

struct fake_notes {
    struct scripted_zero_copy how;
    struct fake_note *all;
    uint32_t count;
    uint32_t max;
    uint64_t sends; /* that were made */
};

/* What the pieces hold now. */
uint8_t *fake_octets_copy(const struct iovec *pieces, uint32_t num_pieces);
/* The send has sent `len` octets. Takes `octets`. */
void fake_note_add(struct fake_notes *notes, uint64_t user_data, int fd, const struct iovec *pieces,
                   uint32_t num_pieces, uint8_t *octets, size_t len);
bool fake_note_waits(const struct fake_notes *notes, uint64_t user_data);
void fake_notes_closed(struct fake_notes *notes, int fd);
/* Takes one out, after the look at its octets. */
void fake_note_end(struct fake_notes *notes, uint32_t index);
void fake_notes_fini(struct fake_notes *notes);

#endif
