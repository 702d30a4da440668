"""charts.py - what a matplotlib figure shows, as data.

One axes is one chart, several are a superchart.  What kind of chart an axes is
follows from what was drawn into it, and from nothing else: matplotlib keeps no
record of the call that drew.
"""
import datetime
import math
import re

import numpy
from matplotlib import dates
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Rectangle, Wedge
from matplotlib.text import Text

UNIT = re.compile(r"\s\((.*?)\)|\[(.*?)\]")
DIGITS = 8  # of a number below ten, when it is rounded


# --- values ----------------------------------------------------------------------

def plain(v):
    """One coordinate as JSON has it."""
    if isinstance(v, numpy.datetime64):
        return None if numpy.isnat(v) else str(numpy.datetime_as_string(v, unit="s"))
    if isinstance(v, numpy.ma.core.MaskedConstant):
        return None
    if isinstance(v, numpy.generic):
        v = v.item()
    if isinstance(v, (datetime.date, datetime.time)):
        return v.isoformat() if v == v else None  # pandas' NaT is not
    if isinstance(v, float):
        return v if math.isfinite(v) else None
    if isinstance(v, (str, int)) or v is None:
        return v
    try:
        return plain(float(v))
    except (TypeError, ValueError):
        return str(v)


def rounded(v):
    """As many digits as one part in a hundred million leaves."""
    v = float(v)
    if not math.isfinite(v):
        return None
    if v == 0:
        return 0.0
    digits = max(1, DIGITS - math.floor(math.log10(abs(v))))
    return float("%.*g" % (digits, v))


def unit(label):
    m = UNIT.search(label or "")
    return (m.group(1) or m.group(2) or None) if m else None


def text(s):
    return s or None


def number_of(label, prefix, word):
    """matplotlib's own name for what has none, said in words."""
    if label.startswith(prefix) and label[len(prefix):].isdigit():
        return "%s %s" % (word, label[len(prefix):])
    return label


# --- axes ------------------------------------------------------------------------

def is_date(axis):
    """Days since 1970; an axis of pandas' periods counts in something else."""
    kinds = (dates._SwitchableDateConverter, dates.DateConverter, dates.ConciseDateConverter)
    return isinstance(axis.converter, kinds) and type(axis.converter).__name__ != "PeriodConverter"


def labels_of(axis):
    return [t.get_text() for t in axis.get_ticklabels()]


def ticks_of(axis):
    ticks = axis.get_ticklocs()
    if is_date(axis):
        return [dates.num2date(t).isoformat() for t in ticks]
    return [float(t) for t in ticks]


def scale_of(axis):
    if is_date(axis):
        return "datetime"
    if axis.get_scale() != "linear":
        return axis.get_scale()
    ticks, labels = axis.get_ticklocs(), labels_of(axis)
    if len(ticks) == 0:
        return "linear"
    for n, (tick, label) in enumerate(zip(ticks, labels)):
        if tick != n or label == str(n):
            return "linear"
    return "categorical"


class TwoD:
    """Title, labels and units of an axes; turned if it lies on its side."""

    def __init__(self, ax, kind):
        self.ax, self.kind = ax, kind
        self.across, self.up = ax.xaxis, ax.yaxis

    def turn(self):
        self.across, self.up = self.up, self.across

    def chart(self, elements, **more):
        x, y = self.across.get_label_text(), self.up.get_label_text()
        return dict({
            "type": self.kind, "title": text(self.ax.get_title()), "elements": elements,
            "x_label": text(x), "y_label": text(y), "x_unit": unit(x), "y_unit": unit(y),
        }, **more)


# --- the kinds -------------------------------------------------------------------

def is_grid_line(line):
    x, y = numpy.asarray(line.get_xdata()), numpy.asarray(line.get_ydata())
    return len(x) == 2 and len(y) == 2 and bool(x[0] == x[1] or y[0] == y[1])


def points_chart(ax, kind, elements):
    return TwoD(ax, kind).chart(
        elements,
        x_ticks=ticks_of(ax.xaxis), x_tick_labels=labels_of(ax.xaxis), x_scale=scale_of(ax.xaxis),
        y_ticks=ticks_of(ax.yaxis), y_tick_labels=labels_of(ax.yaxis), y_scale=scale_of(ax.yaxis))


def line_chart(ax):
    return points_chart(ax, "line", [
        {"label": number_of(str(line.get_label()), "_child", "Line"),
         "points": [[plain(x), plain(y)] for x, y in zip(line.get_xdata(), line.get_ydata())]}
        for line in ax.get_lines() if not is_grid_line(line)])


def scatter_chart(ax):
    """Where points are has no type of its own any more: dates are numbers."""
    def at(axis):
        return (lambda v: plain(dates.num2date(v))) if is_date(axis) else plain

    x_of, y_of = at(ax.xaxis), at(ax.yaxis)
    return points_chart(ax, "scatter", [
        {"label": str(c.get_label()), "points": [[x_of(x), y_of(y)] for x, y in c.get_offsets()]}
        for c in ax.collections])


def pie_chart(ax):
    return {"type": "pie", "title": text(ax.get_title()), "elements": [
        {"label": str(w.get_label()), "angle": rounded(abs(w.theta2 - w.theta1)),
         "radius": rounded(w.r)}
        for w in ax.patches if isinstance(w, Wedge)]}


def all_equal(values):
    return all(v == values[0] for v in values)


def at(labels, n):
    return labels[n] if n < len(labels) else ""


def bar_chart(ax):
    chart = TwoD(ax, "bar")
    groups = [c for c in ax.containers if isinstance(c, BarContainer)]
    # Bars on their side all have the height of one step of the axis.
    lying = all_equal([bar.get_height() for g in groups for bar in g])
    if lying:
        chart.turn()
    labels = labels_of(chart.across)
    return chart.chart([
        {"label": at(labels, n), "group": number_of(str(group.get_label()), "_container", "Group"),
         "value": plain(bar.get_width() if lying else bar.get_height())}
        for group in groups for n, bar in enumerate(group)])


class Box:
    """One box: along is the axis of its values, aside the other."""

    def __init__(self, patch, lying):
        xy = patch.get_path().vertices
        along, aside = (xy[:, 0], xy[:, 1]) if lying else (xy[:, 1], xy[:, 0])
        self.left, self.right = min(aside), max(aside)
        # The corners come first; a notch may reach beyond them.
        notched = len(along) > 10
        self.low, self.high = (along[0], along[5]) if notched else (min(along), max(along))
        self.min, self.median, self.max = self.low, None, self.high
        self.outliers = []

    def owns(self, aside):
        slack = (self.right - self.left) * 1e-6
        return len(aside) > 0 and self.left - slack <= min(aside) and max(aside) <= self.right + slack

    def take(self, line, along, aside):
        if len(along) == 1 or line.get_linestyle() in ("None", "none", "", " "):
            self.outliers.extend(along)
        elif all_equal(list(aside)):
            self.min, self.max = min(self.min, *along), max(self.max, *along)
        elif all_equal(list(along)) and self.median is None:
            whole = max(aside) - min(aside) >= (self.right - self.left) * 0.999
            if whole or self.low < along[0] < self.high:
                self.median = along[0]

    def element(self, label):
        median = self.low if self.median is None else self.median
        return {"label": label, "min": rounded(self.min), "first_quartile": rounded(self.low),
                "median": rounded(median), "third_quartile": rounded(self.high),
                "max": rounded(self.max), "outliers": [rounded(v) for v in self.outliers]}


def box_chart(ax):
    chart = TwoD(ax, "box_and_whisker")
    patches = [p for p in ax.patches if isinstance(p, PathPatch)]

    def height(p):
        y = p.get_path().vertices[:, 1]
        return max(y) - min(y)

    lying = len(patches) > 0 and all_equal([height(p) for p in patches])
    if lying:
        chart.turn()
    boxes = [Box(p, lying) for p in patches]
    for line in ax.get_lines():
        along, aside = (line.get_xdata(), line.get_ydata()) if lying else \
            (line.get_ydata(), line.get_xdata())
        for box in boxes:
            if box.owns(aside):
                box.take(line, along, aside)
                break
    labels = labels_of(chart.across)
    return chart.chart([box.element(at(labels, n)) for n, box in enumerate(boxes)])


def unknown_chart(ax):
    return {"type": "unknown", "title": text(ax.get_title()), "elements": []}


# --- all of it -------------------------------------------------------------------

def made_of(artists, *kinds):
    return all(isinstance(a, kinds) for a in artists)


def chart_of_axes(ax):
    artists = [a for a in ax._children if not isinstance(a, Text)]
    if made_of(artists, Line2D):
        return line_chart(ax)
    if made_of(artists, PathPatch, Line2D):
        return box_chart(ax)
    artists = [a for a in artists if not (isinstance(a, Line2D) and is_grid_line(a))]
    for kind, chart in ((PathCollection, scatter_chart), (Wedge, pie_chart), (Rectangle, bar_chart)):
        if made_of(artists, kind):
            return chart(ax)
    return unknown_chart(ax)


def chart_of_figure(figure):
    """None if nothing was drawn."""
    axes = figure.axes
    if not any(ax.has_data() for ax in axes):
        return None
    charts = [chart_of_axes(ax) for ax in axes]
    if len(charts) == 1:
        return charts[0]
    title = figure._suptitle.get_text() if figure._suptitle is not None else None
    return {"type": "superchart", "title": text(title), "elements": charts}
