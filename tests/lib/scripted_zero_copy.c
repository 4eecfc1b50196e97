#include "scripted_zero_copy.h"

#include <stdlib.h>

static size_t octets_of(const struct iovec *pieces, uint32_t num_pieces)
{
    size_t len = 0;

    for (uint32_t i = 0; i < num_pieces; i++) {
        len += pieces[i].iov_len;
    }
    return len;
}

uint8_t *fake_octets_copy(const struct iovec *pieces, uint32_t num_pieces)
{
    uint8_t *octets = malloc(octets_of(pieces, num_pieces) + 1);
    size_t at = 0;

    HALO_ASSERT(octets != NULL);
    for (uint32_t i = 0; i < num_pieces; i++) {
        memcpy(octets + at, pieces[i].iov_base, pieces[i].iov_len);
        at += pieces[i].iov_len;
    }
    return octets;
}

void fake_note_add(struct fake_notes *notes, uint64_t user_data, int fd, const struct iovec *pieces,
                   uint32_t num_pieces, uint8_t *octets, size_t len)
{
    struct fake_note *note;

    if (notes->count == notes->max) {
        notes->max = notes->max * 2 + 64;
        notes->all = realloc(notes->all, notes->max * sizeof(notes->all[0]));
        HALO_ASSERT(notes->all != NULL);
    }
    note = &notes->all[notes->count++];
    *note = (struct fake_note){
        .user_data = user_data,
        .fd = fd,
        .pieces = malloc(num_pieces * sizeof(pieces[0])),
        .num_pieces = num_pieces,
        .octets = octets,
        .len = len,
    };
    HALO_ASSERT(note->pieces != NULL);
    memcpy(note->pieces, pieces, num_pieces * sizeof(pieces[0]));
}

bool fake_note_waits(const struct fake_notes *notes, uint64_t user_data)
{
    for (uint32_t i = 0; i < notes->count; i++) {
        if (notes->all[i].user_data == user_data) {
            return true;
        }
    }
    return false;
}

void fake_notes_closed(struct fake_notes *notes, int fd)
{
    for (uint32_t i = 0; i < notes->count; i++) {
        notes->all[i].closed |= notes->all[i].fd == fd;
    }
}

/* The last moment in which the kernel may read it. */
static void look(const struct fake_note *note)
{
    size_t at = 0;

    for (uint32_t i = 0; i < note->num_pieces && at < note->len; i++) {
        size_t len = min_size(note->pieces[i].iov_len, note->len - at);

        HALO_ASSERT(memcmp(note->pieces[i].iov_base, note->octets + at, len) == 0);
        at += len;
    }
    HALO_ASSERT(at == note->len);
}

void fake_note_end(struct fake_notes *notes, uint32_t index)
{
    struct fake_note *note = &notes->all[index];

    look(note);
    free(note->pieces);
    free(note->octets);
    *note = notes->all[--notes->count];
}

void fake_notes_fini(struct fake_notes *notes)
{
    HALO_ASSERT(notes->count == 0);
    free(notes->all);
}
