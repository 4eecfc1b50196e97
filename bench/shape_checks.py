"""What must not grow, for bench/shape.py: a cost beside the same cost under a condition, and their ratio's limit.

Each check starts servers of its own, anew in every round, so that none has what another load left behind.
"""
import os
import re
import signal
import statistics
import subprocess
import tempfile
import time

from peers_load import Held, on_load_cpu
from peers_rows import Row
from peers_servers import SERVERS, Announcing, Halo, read_or_empty
from shape_load import measure_counted
from shape_points import SERVERS_OF_SHAPE

HALO = "halo"
# Connections that are open in all, those of them that work, and the connections of --quick.
OPEN, ACTIVE, OPEN_QUICK = 10000, 100, 400
IDLE_REQUESTS = 150000
WORKER_CONNECTIONS, WORKER_REQUESTS = 512, 150000
BALANCE_CONNECTIONS, BALANCE_STREAMS, BALANCE_REQUESTS = 16, 32, 102400
# Each is a server of its own, and quick: what counts is the worst.
BALANCE_RUNS_EACH_ROUND = 4
BATCH = 32 # requests, of bench/engine_bench.c
COUNTED_BATCHES = 200
STREAMS_BEFORE = (2048, 1000000, 5000000)


class Outcome:
    """`columns`: (label, figures), the first of which the others are compared with. `value` is what `target` limits:
    the highest ratio of a column's median to the first's unless another is given. `target` None: for
    orientation."""

    def __init__(self, name, who, title, unit, columns, target, value=None, note=""):
        self.name = name
        self.who = who
        self.title = title
        self.unit = unit
        self.columns = columns
        self.target = target
        self.value = value
        self.note = note

    def medians(self):
        return [statistics.median(figures) if figures else None for _, figures in self.columns]

    def found(self):
        if self.value is not None:
            return self.value
        first, *rest = self.medians()
        return max(rest) / first if first and rest and None not in rest else None

    def verdict(self):
        if self.target is None or self.found() is None:
            return ""
        return "met" if self.found() <= self.target else "missed"


class Context:
    """`over()`: no measurement is to be begun any more."""

    def __init__(self, options, site, over, say):
        self.build = options.build
        self.rounds = options.check_rounds
        self.servers = options.servers
        self.transports = options.transports
        self.scale = options.scale
        self.quick = options.quick
        self.site = site
        self.over = over
        self.say = say


def small_row(name, transport, connections, streams, requests):
    row = Row(name, "", connections, streams, requests, None, SERVERS_OF_SHAPE)
    row.transport = transport
    return row


def tell(context, name, who, columns):
    context.say("%-22s %-8s %s" % (name, who, "  ".join(
        "%s: %.2f" % (label, figures[-1]) for label, figures in columns if figures)))


class Started:
    """Servers of one round."""

    def __init__(self, servers):
        self.servers = servers

    def __enter__(self):
        try:
            for server in self.servers:
                server.start()
        except BaseException:
            self.__exit__()
            raise
        return self.servers

    def __exit__(self, *_):
        for server in self.servers:
            server.stop()


def there_and_back(context, row, servers, columns):
    """The load on the first server, on the second, and again in reverse: what changes slowly hits both."""
    for index in (0, 1, 1, 0):
        if not context.over():
            columns[index][1].append(measure_counted(servers[index], row, context.scale).cpu_us)


# ---- idle connections beside --------------------------------------------------------------------


def idle_round(context, row, kind, count, columns):
    """Two servers, one of which has the idle connections: so that the loads follow close on each other."""
    with Started([kind(context.site, context.build) for _ in columns]) as servers:
        with Held(row, servers[1].ports[row.transport], count) as held:
            there_and_back(context, row, servers, columns)
            held.check()


def idle_10000(context):
    count = (OPEN_QUICK if context.quick else OPEN) - ACTIVE
    outcomes = []
    for transport in context.transports:
        name = "%s-idle-10000" % transport
        row = small_row(name, transport, ACTIVE, 1, IDLE_REQUESTS)
        for who in [who for who in context.servers if SERVERS[who](context.site, context.build).program()]:
            columns = [("%d connections" % ACTIVE, []), ("%s idle beside" % format(count, ","), [])]
            # Peers are for orientation: once.
            for _ in range(context.rounds if who == HALO else 1):
                if context.over():
                    break
                try:
                    idle_round(context, row, SERVERS[who], count, columns)
                except (RuntimeError, subprocess.SubprocessError) as error:
                    if who == HALO:
                        raise
                    context.say("shape: left out: %s" % error)
                    columns = [(label, []) for label, _ in columns]
                    break
                tell(context, name, who, columns)
            outcomes.append(Outcome(name, who, "%d connections work, %s more are open" % (ACTIVE, format(count, ",")),
                                    "us", columns, 1.15 if who == HALO else None))
    return outcomes


# ---- a second worker ----------------------------------------------------------------------------


class OneWorker(Halo):
    # Where the second one may run, too: the two cases are to differ in nothing else.
    cpus = "0,1"


class TwoWorkers(OneWorker):
    workers = 2


def busiest_share(server):
    """The part of the CPU that the busiest of two threads had. Those that end on their own count for nothing."""
    spent = []
    for thread in os.listdir("/proc/%d/task" % server.processes[0].pid):
        told = read_or_empty("/proc/%d/task/%s/schedstat" % (server.processes[0].pid, thread)).split()
        spent.append(int(told[0]) if told else 0)
    return max(spent) / max(sum(spent), 1)


def workers_2(context):
    outcomes = []
    for transport in context.transports:
        name = "%s-workers-2" % transport
        row = small_row(name, transport, WORKER_CONNECTIONS, 1, WORKER_REQUESTS)
        columns = [("one worker", []), ("two workers", [])]
        shares = []
        for _ in range(context.rounds):
            if context.over():
                break
            with Started([OneWorker(context.site, context.build), TwoWorkers(context.site, context.build)]) as servers:
                there_and_back(context, row, servers, columns)
                shares.append(busiest_share(servers[1]))
            tell(context, name, HALO, columns)
        outcomes.append(Outcome(
            name, HALO, "a second worker, %d connections" % WORKER_CONNECTIONS, "us", columns, 1.05,
            note="of the two, the busier had %.0f %% of the CPU" % (100 * statistics.median(shares)) if shares else ""))
    return outcomes


# ---- connections handed to the worker with fewest -----------------------------------------------


class Counting(Announcing):
    name = "workers_server"
    kinds = {"h2c": "h2c"}
    cpus = "0,1"

    def program(self):
        return self.built("bench", "workers_server")

    def prepare(self):
        self.commands = [[self.program(), "2", "balance"]]

    def requests(self):
        """By worker. Ends the server."""
        self.processes[0].send_signal(signal.SIGTERM)
        self.processes[0].wait(10)
        told = read_or_empty(os.path.join(self.site.directory, "%s-%d-0.out" % (self.name, id(self))))
        return [int(count) for count in re.findall(r"^worker \d+ connections \d+ requests (\d+)$", told, re.M)]


def balance(context):
    shares = []
    row = small_row("balance", "h2c", BALANCE_CONNECTIONS, BALANCE_STREAMS, BALANCE_REQUESTS)
    for _ in range(context.rounds * BALANCE_RUNS_EACH_ROUND):
        if context.over():
            break
        with Started([Counting(context.site, context.build)]) as (server,):
            measure_counted(server, row, context.scale)
            by_worker = server.requests()
        if len(by_worker) != 2 or sum(by_worker) != row.scaled(context.scale):
            raise RuntimeError("balance: the workers counted %s requests" % by_worker)
        shares.append(max(by_worker) / sum(by_worker))
    columns = [("busiest worker", [100 * share for share in shares])]
    if shares:
        tell(context, "balance", HALO, columns)
    return [Outcome("balance", HALO, "%d connections, each handed to the worker with fewest" % BALANCE_CONNECTIONS,
                    "% of requests", columns, 0.55, max(shares) if shares else None,
                    "the worst of %d runs" % len(shares))]


# ---- streams that were there before -------------------------------------------------------------


def instructions(program, before):
    """Of one request in the engine, when its connection has had so many before; exact."""
    with tempfile.NamedTemporaryFile(prefix="halo-shape.") as out:
        done = subprocess.run(
            on_load_cpu(["valgrind", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no",
                         "--callgrind-out-file=" + out.name, program, HALO, str(COUNTED_BATCHES),
                         str(max(before // BATCH, 1))]), capture_output=True, text=True, timeout=600)
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or counted is None:
        raise RuntimeError("engine_bench failed:\n%s" % done.stderr[-2000:])
    return int(counted.group(1)) / (COUNTED_BATCHES * BATCH)


def streams_before(context):
    program = os.path.join(context.build, "bench", "engine_bench")
    if not os.access(program, os.X_OK):
        context.say("shape: no %s: left out; it is built where libnghttp2-dev and valgrind are" % program)
        return []
    columns = []
    for count in STREAMS_BEFORE:
        count = count if count == STREAMS_BEFORE[0] or not context.quick else count // 50
        columns.append(("after %s" % format(count, ","), [] if context.over() else [instructions(program, count)]))
        tell(context, "streams-before", HALO, columns[-1:])
    return [Outcome("streams-before", HALO, "requests on a connection that had so many before", "instructions", columns,
                    1.005, note="the engine without sockets, counted by callgrind")]


CHECKS = {"idle-10000": idle_10000, "workers-2": workers_2, "balance": balance, "streams-before": streams_before}


def run_checks(names, context):
    outcomes = []
    for name in names:
        began = time.monotonic()
        if context.over():
            context.say("shape: no time left for %s" % name)
            continue
        outcomes += CHECKS[name](context)
        context.say("%s took %.0f s" % (name, time.monotonic() - began))
    return outcomes
