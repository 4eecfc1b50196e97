"""The results of bench/shape.py as text, JSON and a page."""
import html
import json
import statistics

import shape_plots
from peers_report import HALO, STYLE, number

RATE_NOTE = ("requests/s are those of h2load, which has the other CPU and is the slower one wherever the server is not "
             "busy: they say what the pair reached, not what a server can do")


class SweepResult:
    """`figures`: by the point's name and the server's, one Figure a round."""

    def __init__(self, transport, sweep, points, figures):
        self.transport = transport
        self.sweep = sweep
        self.points = points
        self.figures = {point.name: figures[point.name] for point in points}

    def title(self):
        return "%s: %s" % ("TLS 1.3" if self.transport == "tls" else self.transport, self.sweep.title)

    def labels(self):
        return [point.label for point in self.points]

    def names(self):
        return [name for name in self.figures[self.points[0].name]
                if any(self.figures[point.name].get(name) for point in self.points)]

    def medians(self, name, of):
        """One for each point, None where it was not measured; `of`: cpu_us or rate."""
        found = []
        for point in self.points:
            values = [getattr(figure, of) for figure in self.figures[point.name].get(name, [])]
            found.append(statistics.median(values) if values else None)
        return found

    def ratios(self):
        """halo's CPU to the best peer's."""
        names = [name for name in self.names() if name != HALO]
        found = []
        for index in range(len(self.points)):
            peers = [value for value in (self.medians(name, "cpu_us")[index] for name in names) if value]
            halo = self.medians(HALO, "cpu_us")[index]
            found.append(halo / min(peers) if halo and peers else None)
        return found


class Report:
    def __init__(self, about, outcomes, sweeps):
        self.about = about
        self.outcomes = outcomes
        self.sweeps = [sweep for sweep in sweeps if sweep.names()]

    def summary(self):
        about = self.about
        return "%s, Linux %s, %s, h2load %s, %d of %d rounds, checks %d%s" % (
            about["date"], about["kernel"], about["cpu"], about["h2load"], about["rounds_done"], about["rounds"],
            about["check_rounds"], ", scale %g" % about["scale"] if about["scale"] != 1 else "")


def commands_of(servers):
    return {server.name: [" ".join(command) for command in server.commands] for server in servers}


def load_text(point):
    return " ".join(point.h2load("URL/" + point.path, point.scaled(1, HALO)))


def or_dash(value, text=number):
    return "-" if value is None else text(value)


def rate(value):
    return format(value, ",.0f")


def ratio(value):
    return "%.3f" % value


# ---- text ---------------------------------------------------------------------------------------


def print_lines(header, lines):
    widths = [max(len(line[column]) for line in [header] + lines) for column in range(len(header))]
    for line in [header] + lines:
        print("  ".join(text.rjust(width) if column else text.ljust(width)
                        for column, (text, width) in enumerate(zip(line, widths))).rstrip())


def sweep_table(result):
    """Head and lines of cells."""
    names = result.names()
    columns = [result.medians(name, "cpu_us") for name in names]
    rates = [result.medians(name, "rate") for name in names]
    ratios = result.ratios()
    header = [result.sweep.axis] + [name + " us" for name in names] + ["halo/best"] + [name + "/s" for name in names]
    return header, [
        [point.label] + [or_dash(column[index]) for column in columns] + [or_dash(ratios[index], ratio)] +
        [or_dash(column[index], rate) for column in rates] for index, point in enumerate(result.points)]


def check_cells(outcome):
    """Check, server, the figures with their labels, the ratio, its limit, what came of it."""
    figures = "; ".join("%s: %s%s" % (label, or_dash(median), spread(values)) for (label, values), median in
                        zip(outcome.columns, outcome.medians()))
    return [outcome.name, outcome.who, "%s (%s)" % (figures, outcome.unit), or_dash(outcome.found(), ratio),
            or_dash(outcome.target, lambda target: "%g" % target), outcome.verdict()]


def spread(values):
    return " (%s-%s)" % (number(min(values)), number(max(values))) if len(values) > 1 else ""


def print_report(report):
    print("\n" + report.summary())
    if report.outcomes:
        print("\nChecks: medians (lowest-highest), ratio to the first, limit\n")
        for outcome in report.outcomes:
            name, who, figures, found, target, verdict = check_cells(outcome)
            print("%-18s %-8s %s%s %s\n%27s %s%s" % (
                name, who, found, "" if outcome.target is None else " of at most " + target, verdict, "", figures,
                "\n%27s %s" % ("", outcome.note) if outcome.note else ""))
    for result in report.sweeps:
        print("\n%s: server CPU per request, requests/s\n" % result.title())
        print_lines(*sweep_table(result))
    if report.sweeps:
        print("\n%s." % RATE_NOTE)
    if report.about["scale"] < 1:
        print("\nWith so few requests the figures prove only that all of it works.")
    print("\nServers of the sweeps, on CPU 0:")
    for name, commands in report.about["commands"].items():
        for command in commands:
            print("  %-8s %-8s %s" % (name, report.about["versions"][name], command))
    print("Loads, on CPU 1: bench/shape.sh --list")


# ---- JSON ---------------------------------------------------------------------------------------


def sweep_object(result):
    return {
        "transport": result.transport,
        "title": result.title(),
        "axis": result.sweep.axis,
        "points": [{
            "name": point.name,
            "value": point.value,
            "connections": point.connections,
            "streams": point.streams,
            "command": load_text(point),
            "servers": {name: {"cpu_us": [figure.cpu_us for figure in figures],
                               "requests_per_second": [figure.rate for figure in figures]}
                        for name, figures in result.figures[point.name].items() if figures},
            "ratio": found,
        } for point, found in zip(result.points, result.ratios())],
    }


def write_json(path, report):
    with open(path, "w") as file:
        json.dump({
            "machine": report.about,
            "checks": [{
                "name": outcome.name, "server": outcome.who, "title": outcome.title, "unit": outcome.unit,
                "figures": dict(outcome.columns), "value": outcome.found(), "target": outcome.target,
                "verdict": outcome.verdict(), "note": outcome.note} for outcome in report.outcomes],
            "sweeps": {"%s-%s" % (result.transport, result.sweep.name): sweep_object(result)
                       for result in report.sweeps},
        }, file, indent=2)
        file.write("\n")


# ---- the page -----------------------------------------------------------------------------------

SAID = "figures" # the column of sentences


def table(header, lines):
    rows = "".join("<tr>%s</tr>\n" % "".join(line) for line in lines)
    return '<div class="wide"><table><tr>%s</tr>\n%s</table></div>\n' % (
        "".join("<th%s>%s</th>" % (' class="said"' if text == SAID else "", html.escape(text)) for text in header),
        rows)


def checks_section(report):
    lines = []
    for outcome in report.outcomes:
        cells = check_cells(outcome)
        said = "<br>".join(html.escape(text) for text in [outcome.title, cells[2], outcome.note] if text)
        lines.append(["<td>%s</td>" % html.escape(text) for text in cells[:2]] +
                     ['<td class="said">%s</td>' % said] + ["<td>%s</td>" % text for text in cells[3:5]] +
                     ['<td class="%s">%s</td>' % (outcome.verdict(), outcome.verdict())])
    return "<section><h2>What must not grow</h2>\n%s</section>\n" % table(
        ["check", "server", SAID, "ratio", "at most", ""], lines) if lines else ""


def sweep_section(result):
    names = result.names()
    header, lines = sweep_table(result)
    plots = "".join(
        shape_plots.figure(title, result.labels(), result.sweep.axis, unit,
                           {name: result.medians(name, of) for name in names})
        for title, unit, of in (("Server CPU per request, microseconds", "us", "cpu_us"),
                                ("Requests per second, with this load generator", "requests/s", "rate")))
    return '<section><h2>%s</h2>\n<div class="plots">\n%s</div>\n%s<code>%s</code></section>\n' % (
        html.escape(result.title()), plots,
        table(header, [["<td>%s</td>" % html.escape(text) for text in line] for line in lines]),
        html.escape(load_text(result.points[-1])))


PAGE_STYLE = STYLE + shape_plots.STYLE + """
td { white-space: nowrap; font-size: .85rem; } th { font-size: .8rem; vertical-align: bottom; }
td.said, th.said { white-space: normal; text-align: left; min-width: 18rem; }
"""


def write_page(path, report):
    versions = ", ".join("%s %s" % (name, version) if version else name
                         for name, version in report.about["versions"].items())
    body = checks_section(report) + "".join(sweep_section(result) for result in report.sweeps)
    with open(path, "w") as file:
        file.write(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            "<title>halo: the shape of the cost</title>\n<style>%s</style></head><body>\n"
            "<h1>The shape of the cost</h1>\n"
            "<p>Server CPU per request and requests/s as one thing grows and the others stay. One worker on one core, "
            "medians of interleaved rounds; both axes are logarithmic, points stand in equal steps. %s.<br>%s.<br>%s.</p>\n"
            "%s</body></html>\n" % (
                PAGE_STYLE, html.escape(RATE_NOTE[0].upper() + RATE_NOTE[1:]), html.escape(report.summary()),
                html.escape(versions), body))
