"""The table of what was tried with which peer: BUILD/interop/*.json -> BUILD/interop.md."""
import fcntl
import json

# Results of cases for the table; a case that was not run has no mark.
MARKS = {"pass": "yes", "FAIL": "**FAIL**", "skip": "skipped"}
ROLES = {
    "server": "halo as server, and who asks it",
    "client": "halo as client, and who answers it",
}


def save(env, suite):
    """Writes the results of one driver, and the table anew. Drivers run at the same time."""
    directory = env.build / "interop"
    directory.mkdir(exist_ok=True)
    with open(directory / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        name = f"{suite.role}-{suite.peer}{'-long' if env.long else ''}.json"
        name = name.replace(" ", "-").replace("/", "-").replace(",", "")
        (directory / name).write_text(json.dumps({
            "role": suite.role,
            "peer": suite.peer,
            "version": suite.version,
            "large": env.big(),
            "results": suite.results,
        }))
        found = [json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))]
        (env.build / "interop.md").write_text(render(found))


def merge(entries):
    """One entry for each peer: a driver may have run twice, the second time for its long cases."""
    merged = {}
    for entry in entries:
        known = merged.setdefault(entry["peer"], dict(entry, results=[]))
        known["results"] += [result for result in entry["results"]
                             if result[:2] not in [old[:2] for old in known["results"]]]
    return list(merged.values())


def cell(results, name):
    marks = {}
    for case, transport, outcome in results:
        if case == name:
            marks[transport] = MARKS[outcome]
    if not marks:
        return ""
    if len(set(marks.values())) == 1 and ("" in marks or len(marks) == 2):
        return next(iter(marks.values()))
    return ", ".join(f"{mark} ({transport})" if transport else mark
                     for transport, mark in marks.items())


def render(found):
    parts = []
    for role, title in ROLES.items():
        suites = merge(entry for entry in found if entry["role"] == role)
        if suites:
            parts.append(f"### {title}\n\n" + render_role(suites))
    large = max((entry["large"] for entry in found), default=0)
    parts.append(f"*yes*: over h2c and over TLS, where nothing else is said. Large bodies have "
                 f"{large >> 20} MiB and are compared by SHA-256.\n")
    return "\n".join(parts)


def render_role(suites):
    names = []
    for suite in suites:
        for name, _, _ in suite["results"]:
            if name not in names:
                names.append(name)
    # What most peers were asked for comes first.
    names.sort(key=lambda name: -sum(any(result[0] == name for result in suite["results"])
                                     for suite in suites))
    titles = [f"{suite['peer']} {suite['version']}".strip() for suite in suites]
    lines = ["| | " + " | ".join(titles) + " |", "|---|" + "---|" * len(suites)]
    for name in names:
        cells = [cell(suite["results"], name) for suite in suites]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
