"""The results of bench/peers.py as text, JSON and a page."""
import html
import json
import statistics

HALO = "halo"
NO_PEERS = (HALO, "floor")


class Result:
    """One row: its figures by server, one a round, and what follows from them."""

    def __init__(self, row, figures):
        self.row = row
        self.figures = {name: values for name, values in figures.items() if values}
        self.medians = {name: statistics.median(values) for name, values in self.figures.items()}

    def peer(self):
        """The name of the peer that halo is compared with, or None."""
        peers = {name: value for name, value in self.medians.items() if name not in NO_PEERS}
        if self.row.against == "best":
            return min(peers, key=peers.get) if peers else None
        return self.row.against if self.row.against in peers else None

    def ratio(self):
        peer = self.peer()
        if HALO not in self.medians or peer is None or not self.medians[peer] > 0:
            return None
        return self.medians[HALO] / self.medians[peer]

    def verdict(self):
        found = self.ratio()
        return "" if found is None else "met" if found <= self.row.target else "missed"


def number(value):
    """Three digits that matter."""
    return "%.3f" % value if value < 1 else "%.2f" % value if value < 10 else "%.1f" % value


def cell(result, name):
    values = result.figures.get(name)
    if not values:
        return "-"
    text = number(result.medians[name])
    if len(values) > 1:
        text += " (%s-%s)" % (number(min(values)), number(max(values)))
    return text


def summary(about):
    return "%s, Linux %s, %s, h2load %s, %d of %d rounds%s" % (
        about["date"], about["kernel"], about["cpu"], about["h2load"], about["rounds_done"], about["rounds"],
        ", scale %g" % about["scale"] if about["scale"] != 1 else "")


# ---- text ---------------------------------------------------------------------------------------


def print_table(results, names, about):
    print("\n" + summary(about))
    print("Server CPU per request, and memory (Pss) per held connection: median (lowest-highest) of the rounds\n")
    header = ["", "unit"] + names + ["halo/peer", "at most", ""]
    lines = [[result.row.name, result.row.unit] + [cell(result, name) for name in names] + [
        "-" if result.ratio() is None else "%.3f" % result.ratio() +
        (" (%s)" % result.peer() if result.row.against == "best" else ""),
        "%.2f" % result.row.target, result.verdict()] for result in results]
    widths = [max(len(line[column]) for line in [header] + lines) for column in range(len(header))]
    for line in [header] + lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    if about["scale"] < 1:
        print("\nWith so few requests the opening of connections is a part of the figures: they prove only that all of "
              "it works.")
    print("\nhalo/peer: to h2o; of uploads to the best peer, whose name is behind it. -: not measured, or this server "
          "cannot do it.")


def print_commands(servers, loads):
    print("\nServers, each on CPU 0 (a new one for every row about memory):")
    for server in servers:
        for command in server.commands:
            print("  %-8s %-8s %s" % (server.name, server.version(), " ".join(command)))
    print("Load, on CPU 1 (floor: the same with 64 octets each way, by its own client):")
    for name, command in loads.items():
        print("  %-14s %s" % (name, command))


# ---- JSON ---------------------------------------------------------------------------------------


def as_object(results, about, loads):
    return {
        "machine": about,
        "rows": {result.row.name: {
            "title": result.row.title,
            "unit": result.row.unit,
            "connections": result.row.connections,
            "streams": result.row.streams,
            "command": loads.get(result.row.name),
            "rounds": result.figures,
            "medians": result.medians,
            "peer": result.peer(),
            "ratio": result.ratio(),
            "target": result.row.target,
            "verdict": result.verdict(),
        } for result in results},
    }


def write_json(path, results, about, loads):
    with open(path, "w") as file:
        json.dump(as_object(results, about, loads), file, indent=2)
        file.write("\n")


# ---- the page -----------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --paper: #fcfcfb; --ink: #0b0b0b; --soft: #52514e; --line: #e1e0d9;
  --halo: #2a78d6; --peer: #a9a8a2; --floor: #d3d2cb; --met: #006300; --missed: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #1a1a19; --ink: #ffffff; --soft: #c3c2b7; --line: #33332f;
    --halo: #3987e5; --peer: #6f6e69; --floor: #4a4945; --met: #0ca30c; --missed: #e66767; } }
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  max-width: 60rem; margin: 0 auto; padding: 2rem 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1rem; margin: 0; font-weight: 600; }
p { color: var(--soft); margin: .25rem 0 1rem; }
section { border-top: 1px solid var(--line); padding: 1rem 0; }
.head { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; }
.met { color: var(--met); } .missed { color: var(--missed); }
.bars { display: grid; grid-template-columns: 5rem 1fr; gap: 4px 8px; margin: .5rem 0; align-items: center; }
.name { color: var(--soft); } .halo { color: var(--ink); font-weight: 600; }
.track { position: relative; display: flex; align-items: center; gap: 8px; min-width: 0; }
.room { position: relative; flex: 1; height: 16px; }
.bar { height: 16px; border-radius: 0 4px 4px 0; min-width: 2px; }
.value { width: 11rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
.range { color: var(--soft); font-size: .85em; }
.mark { position: absolute; top: -3px; bottom: -3px; width: 2px; background: var(--ink); }
code { font: 12px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .4rem; border-top: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } .wide { overflow-x: auto; }
"""

COLORS = {HALO: "--halo", "floor": "--floor"}


def bar(result, name, longest, limit):
    value = result.medians[name]
    values = result.figures[name]
    tip = "%s: %s %s" % (name, number(value), result.row.unit)
    around = ""
    if len(values) > 1:
        around = ' <span class="range">%s&ndash;%s</span>' % (number(min(values)), number(max(values)))
    mark = ""
    if name == HALO and limit is not None:
        mark = '<div class="mark" style="left:%.2f%%" title="target: %s %s"></div>' % (
            100 * limit / longest, number(limit), result.row.unit)
    return (
        '<div class="name%s">%s</div><div class="track" title="%s"><div class="room">'
        '<div class="bar" style="width:%.2f%%;background:var(%s)"></div>%s</div>'
        '<div class="value">%s %s%s</div></div>\n' % (
            " halo" if name == HALO else "", name, tip, 100 * max(value, 0) / longest,
            COLORS.get(name, "--peer"), mark, number(value), result.row.unit, around))


def section(result, names, command):
    ratio = result.ratio()
    peer = result.peer()
    limit = None if peer is None else result.row.target * result.medians[peer]
    longest = max(list(result.medians.values()) + [limit or 0, 1e-9])
    said = "not compared" if ratio is None else '<span class="%s">%.3f of %s, at most %.2f: %s</span>' % (
        result.verdict(), ratio, peer, result.row.target, result.verdict())
    bars = "".join(bar(result, name, longest, limit) for name in names if name in result.medians)
    return ('<section><div class="head"><h2>%s</h2><div>%s</div></div>\n<div class="bars">\n%s</div>\n'
            "<code>%s</code></section>\n" % (html.escape(result.row.title), said, bars, html.escape(command or "")))


def overview(results, names):
    head = "".join("<th>%s</th>" % name for name in ["row", "unit"] + names + ["ratio", "at most"])
    lines = ""
    for result in results:
        cells = [result.row.name, result.row.unit] + [
            number(result.medians[name]) if name in result.medians else "&ndash;" for name in names]
        ratio = result.ratio()
        lines += "<tr>%s<td class=\"%s\">%s</td><td>%.2f</td></tr>\n" % (
            "".join("<td>%s</td>" % text for text in cells), result.verdict(),
            "&ndash;" if ratio is None else "%.3f" % ratio, result.row.target)
    return '<section><h2>All medians</h2><div class="wide"><table><tr>%s</tr>\n%s</table></div></section>\n' % (
        head, lines)


def write_page(path, results, names, about, loads):
    versions = ", ".join("%s %s" % (name, version) if version else name
                         for name, version in about["versions"].items())
    body = "".join(section(result, names, loads.get(result.row.name)) for result in results)
    with open(path, "w") as file:
        file.write(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            "<title>halo beside its peers</title>\n<style>%s</style></head><body>\n"
            "<h1>halo beside its peers</h1>\n"
            "<p>Server CPU per request, and memory per held connection: shorter is better. One worker on one core, "
            "medians of interleaved rounds, lowest and highest behind them. The line across halo's bar is its "
            "target.<br>%s.<br>%s.</p>\n%s%s</body></html>\n" % (
                STYLE, html.escape(summary(about)), html.escape(versions), body, overview(results, names)))
