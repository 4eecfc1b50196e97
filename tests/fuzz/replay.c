/* Stands in for libFuzzer: runs each file of the directories named by the arguments once. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    size_t size = 0;
    size_t room = 65536;
    uint8_t *data = malloc(room);
    while (data) {
        size += fread(data + size, 1, room - size, file);
        if (size < room)
            break;
        room *= 2;
        data = realloc(data, room);
    }
    fclose(file);
    if (!data) {
        fprintf(stderr, "%s: out of memory\n", path);
        exit(1);
    }

    /* A copy of exactly this size, so that a sanitizer sees every read past the end. */
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact)
        exit(1);
    for (size_t i = 0; i < size; i++)
        exact[i] = data[i];
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(data);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);
        if (!directory)
            continue; /* a target without kept inputs */
        struct dirent *entry;
        while ((entry = readdir(directory))) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
            run_file(path);
        }
        closedir(directory);
    }
    return 0;
}
