/*
 * Attacks (attack_recipes.c) and their bounds: frames until the end, memory, handlers, octets sent. With
 * --play NAME COUNT one is played COUNT times for bench/attacks.sh, with --names they are listed, and with
 * --table their costs are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attack_play.h"

static void attack_test(void **state)
{
    const struct attack *attack = *state;
    struct attack_cost cost;
    size_t memory = attack->memory != 0 ? attack->memory : 128 * 1024;
    double most_out = attack->octets_out > 0 ? attack->octets_out : 1.5;

    attack_play(attack, &cost);
    assert_int_equal(cost.stopped, attack->stops);
    assert_int_equal(cost.ended, attack->ends_within > 0 && !attack->stops);
    if (attack->ends_within > 0) {
        assert_in_range(cost.frames, 1, attack->ends_within);
    }
    if (cost.ended) {
        assert_int_equal(cost.code, attack->code);
    }
    assert_in_range(cost.handlers, 0, attack->handlers);
    if (attack->all_cut) {
        assert_int_equal(cost.running, 0);
    }
    assert_in_range(cost.most_handlers, 0, 128);
    assert_in_range(cost.memory, 0, memory);
    assert_int_equal(cost.left, 0);
    /* A GOAWAY with its reason is allowed in any case. */
    assert_true((double)cost.octets_out <= 100 + most_out * (double)cost.octets_in);
}

static const struct attack *find(const char *name)
{
    for (size_t i = 0; i < attack_count; i++) {
        if (strcmp(attacks[i].name, name) == 0) {
            return &attacks[i];
        }
    }
    return NULL;
}

static int play(const char *name, int count)
{
    const struct attack *attack = find(name);
    struct attack_cost cost = { 0 };

    if (attack == NULL) {
        return 1;
    }
    for (int i = 0; i < count; i++) {
        attack_play(attack, &cost);
    }
    printf("%u %d %u %u %zu %llu %llu\n", cost.frames, cost.ended ? (int)cost.code : -1,
           cost.handlers, cost.most_handlers, cost.memory, (unsigned long long)cost.octets_in,
           (unsigned long long)cost.octets_out);
    return 0;
}

int main(int argc, char **argv)
{
    struct CMUnitTest *tests;
    int failed;

    if (argc == 4 && strcmp(argv[1], "--play") == 0) {
        return play(argv[2], atoi(argv[3]));
    }
    if (argc == 2 && strcmp(argv[1], "--names") == 0) {
        for (size_t i = 0; i < attack_count; i++) {
            puts(attacks[i].name);
        }
        return 0;
    }
    tests = calloc(attack_count, sizeof(*tests));
    for (size_t i = 0; tests != NULL && i < attack_count; i++) {
        tests[i] =
            (struct CMUnitTest){ attacks[i].name, attack_test, NULL, NULL, (void *)&attacks[i] };
    }
    failed =
        tests == NULL ? 1 : _cmocka_run_group_tests("attacks", tests, attack_count, NULL, NULL);
    free(tests);
    return failed;
}
