/* What the parts of the floor share; see floor.c. */
#ifndef HALO_BENCH_FLOOR_H
#define HALO_BENCH_FLOOR_H

enum { FLOOR_REQUEST_LEN = 64 };

/* Ends the program with a sentence and errno's text. */
void floor_require(int condition, const char *what);
/* A socket that listens on a free port of 127.0.0.1; prints "listening KIND 127.0.0.1:PORT". */
int floor_listen(const char *kind);
/* A connected socket without delay. */
int floor_connect(int port);

/* ---- floor_file.c ---------------------------------------------------------------------- */

__attribute__((noreturn)) void floor_serve_file(const char *path);
int floor_load_file(int port, long requests, long long file_len);

#endif
