"""charts.py against real matplotlib: every rule of the chart model."""
import datetime
import json
import sys

import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

sys.path.insert(0, "/usr/lib/coppice/kernels/python3")
from coppice_kernel import charts  # noqa: E402
from lines import case, finish, same  # noqa: E402

TWO_D = {"type", "title", "elements", "x_label", "y_label", "x_unit", "y_unit"}
POINTS = TWO_D | {"x_ticks", "x_tick_labels", "x_scale", "y_ticks", "y_tick_labels", "y_scale"}


def chart(draw, fig=None):
    """The chart of what draw(ax) draws; it must be JSON."""
    fig = fig or plt.figure()
    ax = fig.subplots()
    draw(ax)
    return of(fig)


def of(fig):
    c = charts.chart_of_figure(fig)
    plt.close(fig)
    return None if c is None else json.loads(json.dumps(c, allow_nan=False))


def values(c, *keys):
    return [tuple(e[k] for k in keys) for e in c["elements"]]


@case("a figure without axes, or with empty ones, is blank")
def _():
    same(of(plt.figure()), None)
    same(chart(lambda ax: None), None)
    same(chart(lambda ax: ax.set_title("only a title")), None)


@case("lines: keys, labels, units, points")
def _():
    def draw(ax):
        ax.plot([1, 2, 3], [2.5, 4, 8], label="squares")
        ax.plot([1, 2], [1, 1.5])
        ax.set(title="T", xlabel="time (s)", ylabel="size [kB]")

    c = chart(draw)
    same(set(c), POINTS)
    same((c["type"], c["title"]), ("line", "T"))
    same((c["x_label"], c["x_unit"], c["y_label"], c["y_unit"]), ("time (s)", "s", "size [kB]", "kB"))
    same(values(c, "label", "points"), [("squares", [[1, 2.5], [2, 4], [3, 8]]), ("Line 1", [[1, 1], [2, 1.5]])])
    same((c["x_scale"], c["y_scale"]), ("linear", "linear"))
    same(len(c["x_ticks"]), len(c["x_tick_labels"]))
    assert all(isinstance(t, float) for t in c["x_ticks"] + c["y_ticks"])


@case("what is not said is null")
def _():
    c = chart(lambda ax: ax.plot([1, 2, 3], [1, 2, 1]))
    same([c[k] for k in ("title", "x_label", "y_label", "x_unit", "y_unit")], [None] * 5)


@case("a unit is in parentheses after a space, or in brackets")
def _():
    for label, unit in (("a (m)", "m"), ("a(m)", None), ("a[m]", "m"), ("a [m/s]", "m/s"), ("a", None), ("", None),
                        ("a (m) (n)", "m")):
        same(charts.unit(label), unit, label)


@case("text and grid lines are not what a chart is made of")
def _():
    def draw(ax):
        ax.plot([1, 2, 3], [1, 2, 1], label="a")
        ax.axhline(1.5)
        ax.plot([2, 2], [0, 3])
        ax.text(1, 1, "here")
        ax.annotate("there", (2, 2))

    same(values(chart(draw), "label"), [("a",)])

    def dots(ax):
        ax.scatter([1, 2], [3, 4], label="dots")
        ax.axvline(1.5)

    c = chart(dots)
    same((c["type"], values(c, "label")), ("scatter", [("dots",)]))


@case("an axis of dates: scale, ticks and points as ISO text")
def _():
    days = [datetime.date(2024, 1, d) for d in (1, 2, 3, 4)]
    c = chart(lambda ax: ax.plot(days, [1, 2, 3, 4]))
    same((c["x_scale"], c["y_scale"]), ("datetime", "linear"))
    same(c["elements"][0]["points"][0], ["2024-01-01", 1])
    assert c["x_ticks"][0].startswith("2024-01-01T00:00:00"), c["x_ticks"]
    times = [datetime.datetime(2024, 1, 1, h, 30) for h in range(4)]
    c = chart(lambda ax: ax.plot([1, 2, 3, 4], times))
    same((c["x_scale"], c["y_scale"]), ("linear", "datetime"))
    same(c["elements"][0]["points"][1], [2, "2024-01-01T01:30:00"])
    c = chart(lambda ax: ax.plot(np.array(["2024-01-01", "2024-01-02"], "datetime64[ns]"), [1, 2]))
    same(c["elements"][0]["points"][0], ["2024-01-01T00:00:00", 1])
    c = chart(lambda ax: ax.scatter(days, [1, 2, 3, 4]))
    same((c["type"], c["x_scale"]), ("scatter", "datetime"))
    assert c["elements"][0]["points"][0][0].startswith("2024-01-01T00:00:00"), c["elements"]


@case("pandas' own dates")
def _():
    import pandas as pd

    frame = pd.DataFrame({"v": [1.0, 2.0, np.nan]}, index=pd.to_datetime(["2024-01-01", "2024-01-05", "2024-02-01"]))
    c = chart(lambda ax: ax.plot(frame.index, frame["v"]))
    same(c["elements"][0]["points"], [["2024-01-01T00:00:00", 1.0], ["2024-01-05T00:00:00", 2.0],
                                      ["2024-02-01T00:00:00", None]])
    c = chart(lambda ax: frame.plot(ax=ax))
    same((c["type"], c["x_scale"], values(c, "label")), ("line", "datetime", [("v",)]))
    monthly = pd.Series([1, 2, 3], index=pd.period_range("2024-01", periods=3, freq="M"))
    same(chart(lambda ax: monthly.plot(ax=ax))["elements"][0]["points"][0][0], "2024-01")


@case("scales: categorical, and matplotlib's names of the rest")
def _():
    c = chart(lambda ax: ax.plot(["a", "b", "c"], [1, 2, 4]))
    same((c["x_scale"], c["x_tick_labels"]), ("categorical", ["a", "b", "c"]))
    same(c["elements"][0]["points"][1], ["b", 2])
    for scale in ("log", "symlog", "asinh"):
        def draw(ax):
            ax.plot([1, 10, 100], [1, 2, 3])
            ax.set_xscale(scale)
        same(chart(draw)["x_scale"], scale)

    def logit(ax):
        ax.plot([0.1, 0.5, 0.9], [1, 2, 3])
        ax.set_xscale("logit")
    same(chart(logit)["x_scale"], "logit")

    def plain(ax):
        ax.plot([0, 1, 2], [0, 1, 2])
        ax.set_xticks([0, 1, 2])
    same(chart(plain)["x_scale"], "linear")


@case("scatter: groups and their labels")
def _():
    def draw(ax):
        ax.scatter([1, 2], [3, 4.5], label="one")
        ax.scatter(np.array([5]), np.array([6]), label="two")

    c = chart(draw)
    same(set(c), POINTS)
    same(values(c, "label", "points"), [("one", [[1, 3], [2, 4.5]]), ("two", [[5, 6]])])


@case("bars: value, label of the tick, group")
def _():
    def draw(ax):
        ax.bar(["A", "B", "C"], [100, 200, 50], label="Books")
        ax.set(title="Sold", xlabel="Authors", ylabel="Number (pcs)")

    c = chart(draw)
    same(set(c), TWO_D)
    same((c["type"], c["title"], c["x_label"], c["y_label"], c["x_unit"], c["y_unit"]),
         ("bar", "Sold", "Authors", "Number (pcs)", None, "pcs"))
    same(values(c, "label", "group", "value"), [("A", "Books", 100), ("B", "Books", 200), ("C", "Books", 50)])
    same(values(chart(lambda ax: ax.bar(["A", "B"], [1, 2])), "group"), [("Group 0",), ("Group 0",)])


@case("bars in groups, side by side")
def _():
    def draw(ax):
        x = np.arange(2)
        ax.bar(x - 0.2, [1, 2], 0.4, label="m")
        ax.bar(x + 0.2, [3, 4], 0.4)
        ax.set_xticks(x, ["G1", "G2"])

    same(values(chart(draw), "label", "group", "value"),
         [("G1", "m", 1), ("G2", "m", 2), ("G1", "Group 1", 3), ("G2", "Group 1", 4)])


@case("bars that lie: labels, units and ticks change places")
def _():
    def draw(ax):
        ax.barh(["A", "B"], [3, 7])
        ax.set(xlabel="count (n)", ylabel="name")

    c = chart(draw)
    same(values(c, "label", "value"), [("A", 3), ("B", 7)])
    same((c["x_label"], c["y_label"], c["x_unit"], c["y_unit"]), ("name", "count (n)", None, "n"))


@case("no bar is lost when there are fewer ticks")
def _():
    same([v for v, in values(chart(lambda ax: ax.bar(range(40), range(40))), "value")], list(range(40)))


@case("pie: labels, angles in degrees, radius")
def _():
    def draw(ax):
        ax.pie([30, 45, 10, 15], labels=["a", "b", "c", "d"], autopct="%1.1f%%", explode=[0.1, 0, 0, 0])
        ax.set_title("P")

    c = chart(draw)
    same(set(c), {"type", "title", "elements"})
    same((c["type"], c["title"]), ("pie", "P"))
    same(values(c, "label", "angle", "radius"), [("a", 108, 1), ("b", 162, 1), ("c", 36, 1), ("d", 54, 1)])


BOX = {"Class A": [85, 90, 78, 92, 88], "Class B": [95, 89, 76, 91, 84, 87], "Class C": [75, 82, 88, 79, 86]}


@case("boxes drawn as patches: quartiles, whiskers, outliers")
def _():
    def draw(ax):
        ax.boxplot(BOX.values(), labels=BOX.keys(), patch_artist=True)
        ax.set(title="Scores", xlabel="Class", ylabel="Score")

    c = chart(draw)
    same(set(c), TWO_D)
    same((c["type"], c["title"], c["x_label"], c["y_label"]), ("box_and_whisker", "Scores", "Class", "Score"))
    same(values(c, "label", "min", "first_quartile", "median", "third_quartile", "max", "outliers"), [
        ("Class A", 78, 85, 88, 90, 92, []), ("Class B", 84, 84.75, 88, 90.5, 95, [76]),
        ("Class C", 75, 79, 82, 86, 88, [])])


@case("boxes that lie, have notches, means, many outliers, no whiskers")
def _():
    rows = [[1, 2, 3, 4, 5, 30, 40, -20], [3, 3, 3, 3], [1, 2, 2, 3, 9]]
    want = [tuple(float(b[k]) for k in ("whislo", "q1", "med", "q3", "whishi")) + ([float(v) for v in b["fliers"]],)
            for b in matplotlib.cbook.boxplot_stats(rows)]
    same([len(w[5]) for w in want], [3, 0, 1])
    same(values(chart(lambda ax: ax.boxplot(rows, patch_artist=True)),
                "min", "first_quartile", "median", "third_quartile", "max", "outliers"), want)
    for more in ({"notch": True}, {"showmeans": True, "meanline": True}, {"widths": 0.3}, {"showcaps": False}):
        got = values(chart(lambda ax: ax.boxplot(rows, patch_artist=True, **more)),
                     "min", "first_quartile", "median", "third_quartile", "max", "outliers")
        same(got, want, more)

    def lying(ax):
        # All drawn heights are the same: that is how it is known.
        ax.boxplot(rows, patch_artist=True, vert=False, widths=0.5, labels=["a", "b", "c"])
        ax.set(xlabel="v (s)", ylabel="k")

    c = chart(lying)
    same(values(c, "min", "first_quartile", "median", "third_quartile", "max", "outliers"), want)
    same((c["x_label"], c["y_label"], c["y_unit"]), ("k", "v (s)", "s"))
    same(values(c, "label"), [("a",), ("b",), ("c",)])


@case("boxes of lines, as matplotlib draws them by itself, are a line chart")
def _():
    same(chart(lambda ax: ax.boxplot(BOX.values()))["type"], "line")


@case("seaborn's boxes and bars are boxes and bars")
def _():
    import seaborn

    data = {"k": ["a"] * 5 + ["b"] * 5, "v": [1, 2, 3, 4, 5, 2, 4, 6, 8, 10]}
    c = chart(lambda ax: seaborn.boxplot(x=data["k"], y=data["v"], ax=ax))
    same(c["type"], "box_and_whisker")
    same(values(c, "label", "min", "median", "max"), [("a", 1, 3, 5), ("b", 2, 6, 10)])


@case("rounding is to eight digits less the exponent, of angles and boxes alone")
def _():
    for v, want in ((36.00000001, 36), (36.12345678, 36.12346), (0.05, 0.05), (1.23456789012, 1.2345679),
                    (0.123456789012, 0.123456789), (123456.789, 123000), (0, 0), (-36.12345678, -36.12346)):
        same(charts.rounded(v), want, v)
    same(charts.rounded(123456789.0), 1e8)
    same(charts.rounded(float("nan")), None)
    c = chart(lambda ax: ax.bar(["a", "b"], [1.123456789012, 2]))
    same(values(c, "value"), [(1.123456789012,), (2,)])


@case("what is none of these is unknown")
def _():
    c = chart(lambda ax: (ax.imshow(np.eye(3)), ax.set_title("I")))
    same(c, {"type": "unknown", "title": "I", "elements": []})
    same(chart(lambda ax: (ax.bar(["a"], [1]), ax.plot([0, 1, 2], [1, 2, 0])))["type"], "unknown")
    same(chart(lambda ax: ax.fill_between([1, 2], [1, 2]))["type"], "unknown")


@case("several axes are a superchart, in their order")
def _():
    fig, (a, b) = plt.subplots(1, 2)
    a.scatter([1], [2])
    b.bar(["x", "y"], [1, 2])
    fig.suptitle("Both")
    c = of(fig)
    same(set(c), {"type", "title", "elements"})
    same((c["type"], c["title"], [e["type"] for e in c["elements"]]), ("superchart", "Both", ["scatter", "bar"]))
    fig, axes = plt.subplots(1, 2)
    axes[1].pie([1, 2])
    c = of(fig)
    same((c["title"], [e["type"] for e in c["elements"]]), (None, ["line", "pie"]))


@case("values that JSON has no word for")
def _():
    c = chart(lambda ax: ax.plot(np.array([1, 2, 3], dtype=np.int64), np.ma.array([1, 2, 3], mask=[0, 1, 0])))
    same(c["elements"][0]["points"], [[1, 1], [2, None], [3, 3]])
    c = chart(lambda ax: ax.plot([1, 2, 3], [1, float("inf"), float("nan")]))
    same(c["elements"][0]["points"], [[1, 1], [2, None], [3, None]])


finish()
