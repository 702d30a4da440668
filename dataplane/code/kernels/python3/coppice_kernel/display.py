"""display.py - what values look like to the code interpreter's clients.

Nothing here imports pandas, matplotlib or PIL: their types are known by name,
and what must be changed in them is changed when somebody else imports them.
"""
import importlib.util
import sys

from IPython.core.formatters import BaseFormatter
from IPython.display import display
from traitlets import ObjectName, Unicode

# More than anybody looks at, and less than a message may hold.
MAX_VALUES = 1000000


class DataFormatter(BaseFormatter):
    format_type = Unicode("e2b/data")
    print_method = ObjectName("_repr_e2b_data_")
    _return_type = dict


class ChartFormatter(BaseFormatter):
    """matplotlib's inline support takes Figure out of every formatter's table."""
    format_type = Unicode("e2b/chart")
    print_method = ObjectName("_repr_e2b_chart_")
    _return_type = dict

    def __call__(self, value):
        if any(c.__name__ == "Figure" and c.__module__ == "matplotlib.figure"
               for c in type(value).__mro__):
            return chart_of(value)
        return super().__call__(value)


# --- values as JSON ------------------------------------------------------------

def data_of(frame):
    """Column name -> list of its values."""
    from coppice_kernel import jsonable

    if frame.size > MAX_VALUES:
        return None
    out = {}
    for n, name in enumerate(frame.columns):
        values = frame.iloc[:, n].tolist()
        out[str(name)] = [jsonable.cell(v) for v in values]
    return out


def json_of(value):
    from coppice_kernel import jsonable

    try:
        return jsonable.value(value, MAX_VALUES)
    except (TypeError, ValueError, RecursionError):
        return None


def chart_of(figure):
    """{} if there is nothing in it that we know."""
    from coppice_kernel import charts

    try:
        return charts.chart_of_figure(figure) or {}
    except Exception:  # a figure we have not thought of is still a figure
        return {}


# --- modules that are changed when they are imported -----------------------------

class AfterImport:
    """Finds a module as everybody else does, and changes it once it is there."""

    def __init__(self, changes):
        self.changes = changes

    def find_spec(self, name, path=None, target=None):
        change = self.changes.pop(name, None)
        if change is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec


def change_pil(module):
    """Saving an image to a named file shows it; showing it starts no viewer."""
    image = module.Image
    save = image.save

    def save_and_show(self, fp, format=None, **params):
        save(self, fp, format, **params)
        if isinstance(fp, str):
            display(self)

    def show(self, title=None, **_):
        display(self)

    save_and_show.__doc__, show.__doc__ = save.__doc__, image.show.__doc__
    image.save, image.show = save_and_show, show


# --- all of it -------------------------------------------------------------------

def install(shell):
    formatter = shell.display_formatter
    for kind in (DataFormatter, ChartFormatter):
        one = kind(parent=formatter)
        formatter.formatters[one.format_type] = one
    data = formatter.formatters["e2b/data"]
    data.for_type_by_name("pandas.core.frame", "DataFrame", data_of)
    for kind in (list, dict):
        formatter.formatters["application/json"].for_type(kind, json_of)
    sys.meta_path.insert(0, AfterImport({"PIL.Image": change_pil}))
