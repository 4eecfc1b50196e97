"""Line charts as SVG text: one line for each server, both axes logarithmic, no library. Colours are the page's.

The points stand in equal steps; where each is a multiple of the one before, that is a logarithmic axis.
"""
import html
import math

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 66, 14, 44
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
LABEL_STEP = 13 # between two names at the ends of lines
TICKS_MOST = 8
HIT_RADIUS = 9

# Around the point, so that lines can be told apart without colours.
MARKS = {
    "halo": "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
    "h2o": "M-3.5,-3.5h7v7h-7z",
    "nghttpd": "M0,-4.5L4.5,3.5H-4.5z",
    "nginx": "M0,-4.8L4.8,0L0,4.8L-4.8,0z",
    "node": "M-4.5,-3.5H4.5L0,4.5z",
}

STYLE = """
:root { --h2o: #b4501a; --nghttpd: #2f7d3c; --nginx: #8440a8; --node: #6d6b66; }
@media (prefers-color-scheme: dark) {
  :root { --h2o: #f0a05f; --nghttpd: #72c283; --nginx: #c89be2; --node: #a9a8a2; } }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1rem; }
figure { margin: .5rem 0; min-width: 0; } figcaption { font-weight: 600; font-size: .9rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .end { font-weight: 600; }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .line { fill: none; stroke-width: 1.6; stroke-linejoin: round; } svg .line.of-halo { stroke-width: 2.8; }
svg .lead { stroke-width: 1; opacity: .6; } svg .hit { fill: transparent; }
svg g:hover > .mark { stroke: var(--ink); stroke-width: 1.5; }
"""


def short(value):
    """12, 1.5, 20k, 1.2M: at most two digits behind the point, none that say nothing."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return "%g%s" % (value / size, letter)
    return "%g" % value


def ticks_between(low, high):
    """1, 2 and 5 of each power of ten around the two; fewer of them when they are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10 ** power for power in range(first, last + 1) for step in steps]
        below = [tick for tick in ticks if tick <= low * 1.0001]
        above = [tick for tick in ticks if tick >= high * 0.9999]
        ticks = [tick for tick in ticks if below[-1] <= tick <= above[0]] if below and above else ticks
        if len(ticks) <= TICKS_MOST:
            break
    # One alone makes no axis.
    return ticks if len(ticks) > 1 else [ticks[0], ticks[0] * 10]


def apart(wanted, low, high):
    """Heights near `wanted` (ascending), LABEL_STEP from each other and between `low` and `high`."""
    placed = []
    for height in wanted:
        placed.append(max(height, placed[-1] + LABEL_STEP if placed else low))
    limit = high
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - LABEL_STEP
    return placed


class Chart:
    """`series`: name -> one value for each of `labels`, None where there is none."""

    def __init__(self, labels, axis, unit, series):
        self.labels = labels
        self.axis = axis
        self.unit = unit
        self.series = {name: values for name, values in series.items() if any(value for value in values)}
        values = [value for values in self.series.values() for value in values if value]
        self.ticks = ticks_between(min(values), max(values)) if values else [1, 10]

    def x(self, index):
        return LEFT + PLOT_WIDTH * (index + 0.5) / len(self.labels)

    def y(self, value):
        low, high = math.log(self.ticks[0]), math.log(self.ticks[-1])
        return TOP + PLOT_HEIGHT * (1 - (math.log(value) - low) / (high - low))

    def axes(self):
        parts = []
        for tick in self.ticks:
            y = self.y(tick)
            parts.append('<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>'
                         '<text x="%d" y="%.1f" text-anchor="end">%s</text>' % (
                             LEFT, LEFT + PLOT_WIDTH, y, y, LEFT - 6, y + 4, short(tick)))
        bottom = TOP + PLOT_HEIGHT
        parts.append('<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>' % (LEFT, LEFT + PLOT_WIDTH, bottom, bottom))
        for index, label in enumerate(self.labels):
            parts.append('<line class="axis" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>'
                         '<text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (
                             self.x(index), self.x(index), bottom, bottom + 4, self.x(index), bottom + 16,
                             html.escape(label)))
        parts.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (
            LEFT + PLOT_WIDTH / 2, bottom + 34, html.escape(self.axis)))
        return parts

    def line(self, name):
        """In pieces, where a point is missing."""
        pieces = [[]]
        for index, value in enumerate(self.series[name]):
            if value:
                pieces[-1].append("%.1f,%.1f" % (self.x(index), self.y(value)))
            else:
                pieces.append([])
        return "".join('<polyline class="line of-%s" style="stroke:var(--%s)" points="%s"/>' % (
            name, name, " ".join(piece)) for piece in pieces if len(piece) > 1)

    def marks(self, name):
        parts = []
        for index, value in enumerate(self.series[name]):
            if value:
                parts.append(
                    '<g transform="translate(%.1f,%.1f)"><title>%s, %s: %s %s</title><circle class="hit" r="%d"/>'
                    '<path class="mark" style="fill:var(--%s)" d="%s"/></g>' % (
                        self.x(index), self.y(value), name, html.escape(self.labels[index]),
                        format(value, ",.0f") if value >= 100 else "%.3g" % value, self.unit, HIT_RADIUS, name,
                        MARKS[name]))
        return parts

    def names(self):
        """At the right of each line, in its colour; drawn aside, with a lead, when two would meet."""
        ends = []
        for name, values in self.series.items():
            index, value = [(index, value) for index, value in enumerate(values) if value][-1]
            ends.append((self.y(value), self.x(index), name))
        ends.sort()
        parts = []
        heights = apart([y for y, _, _ in ends], TOP, TOP + PLOT_HEIGHT)
        at = LEFT + PLOT_WIDTH
        for height, (y, x, name) in zip(heights, ends):
            parts.append('<line class="lead" style="stroke:var(--%s)" x1="%.1f" x2="%d" y1="%.1f" y2="%.1f"/>'
                         '<text class="end" style="fill:var(--%s)" x="%d" y="%.1f">%s</text>' % (
                             name, x + 6, at + 4, y, height, name, at + 7, height + 4, name))
        return parts

    def svg(self, title):
        # halo's line and points above the others'.
        drawn = sorted(self.series, key=lambda name: name == "halo")
        parts = self.axes() + [self.line(name) for name in drawn] + self.names()
        for name in drawn:
            parts += self.marks(name)
        return '<svg viewBox="0 0 %d %d" role="img" aria-label="%s">\n%s\n</svg>' % (
            WIDTH, HEIGHT, html.escape(title, quote=True), "\n".join(parts))


def figure(title, labels, axis, unit, series):
    return "<figure><figcaption>%s</figcaption>\n%s</figure>\n" % (
        html.escape(title), Chart(labels, axis, unit, series).svg(title))
