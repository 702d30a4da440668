"""The Python kernel: ipykernel with our start-up, through jupyter_client."""
import json
import os
import signal
import threading

from jupyter_client import KernelManager
from lines import KERNELS, Cell, case, finish, same

with open(KERNELS + "/python3/kernel.json") as f:
    spec = json.load(f)
os.makedirs("/tmp/ipc", mode=0o700)
os.environ.update(spec.get("env", {}))
manager = KernelManager(transport="ipc", ip="/tmp/ipc/k")
manager.kernel_spec.argv = spec["argv"]
manager.start_kernel(cwd="/home/user")
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)


def run(code, interrupt_after=None):
    out = []
    if interrupt_after is not None:
        threading.Timer(interrupt_after, manager.signal_kernel, [signal.SIGINT]).start()
    # As coppice-code asks: what comes right behind an error is not thrown away.
    reply = client.execute_interactive(code, allow_stdin=False, stop_on_error=False, timeout=60,
                                       output_hook=lambda m: out.append((m["msg_type"], m["content"])))
    return Cell(out + [("execute_reply", reply["content"])])


def data(cell, kind="execute_result", n=0):
    assert len(cell.all(kind)) > n, cell.messages
    return cell.all(kind)[n]["data"]


@case("nothing heavy is imported before somebody asks for it")
def _():
    c = run("import sys; sorted({'numpy', 'pandas', 'matplotlib', 'PIL', 'jedi', 'debugpy'} & set(sys.modules))")
    same(c.text, "[]")
    same(run("'' in sys.path, [p for p in sys.path if 'coppice' in p]").text, "(True, [])")
    same(run("import jedi, debugpy").error, None)


@case("statements, values, state, awaiting, shell commands")
def _():
    same(run("x = 1; x").text, "1")
    same(run("x").text, "1")
    same(run("import asyncio; await asyncio.sleep(0); 5").text, "5")
    same(run("!pwd").out.strip(), "/home/user")
    same(run("%cd -q /tmp\nimport os; os.getcwd()").text, "'/tmp'")


@case("tracebacks have no colours, and say the cell's lines")
def _():
    c = run("def f():\n    return 1 / 0\nf()")
    same(c.error, ("ZeroDivisionError", "division by zero"))
    trace = "".join(c.all("error")[0]["traceback"])
    assert "\x1b" not in trace and "----> 2     return 1 / 0" in trace, trace
    c = run("input()")
    same(c.error and c.error[0], "StdinNotImplementedError", c.messages)


@case("lists and dicts are also JSON, if JSON can say them")
def _():
    for code, want in (("[1, 2.5, 'a', None, True, (1, 2)]", [1, 2.5, "a", None, True, [1, 2]]),
                       ("{'a': [1], 2: None, None: 3, True: 4}", {"a": [1], "2": None, "null": 3, "true": 4}),
                       ("[float('nan'), float('inf')]", [None, None]),
                       ("import datetime; [datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2, 3)]",
                        ["2024-01-02", "2024-01-02T03:00:00"]),
                       ("import numpy as np; {'n': np.int64(3), 'a': np.arange(4).reshape(2, 2), 'f': np.float32(0.5)}",
                        {"n": 3, "a": [[0, 1], [2, 3]], "f": 0.5}),
                       ("[]", [])):
        got = data(run(code))
        same(got["application/json"], want, code)
        assert "text/plain" in got
    for code in ("[object()]", "[{1, 2}]", "[b'x']", "[2 ** 70]", "l = []; l.append(l); l", "{(1, 2): 3}",
                 "[1] * 1000001"):
        got = data(run(code))
        assert "application/json" not in got and "text/plain" in got, code
    assert "application/json" not in data(run("'text'"))


@case("long values are shown whole")
def _():
    assert run("list(range(5000))").text.endswith("4999]")


@case("a DataFrame is text, HTML and its columns")
def _():
    c = run("import pandas as pd\n"
            "pd.DataFrame({'n': [1, 2, 3], 'f': [0.5, float('nan'), 2.0], 's': ['a', None, 'c'], 7: [True, False, True],"
            " 't': pd.to_datetime(['2024-01-01', None, '2024-01-03 04:05'])})")
    got = data(c)
    same(got["e2b/data"], {"n": [1, 2, 3], "f": [0.5, None, 2.0], "s": ["a", None, "c"], "7": [True, False, True],
                           "t": ["2024-01-01T00:00:00", None, "2024-01-03T04:05:00"]})
    assert "<table" in got["text/html"] and "2024-01-01" in got["text/plain"]
    c = run("pd.DataFrame({'o': [pd.Timedelta('1s'), pd.NA, {1, 2}, (1, 2)], 'i': pd.array([1, None, 3, 4], dtype='Int64')})")
    same(data(c)["e2b/data"], {"o": ["0 days 00:00:01", None, "{1, 2}", [1, 2]], "i": [1, None, 3, 4]})
    same(data(run("pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([('a', 'b'), ('a', 'c')]))"))["e2b/data"],
         {"('a', 'b')": [1], "('a', 'c')": [2]})
    assert "e2b/data" not in data(run("pd.DataFrame({'a': range(1000001)})"))


@case("a shown figure is png, text and its chart")
def _():
    c = run("import matplotlib.pyplot as plt\nplt.plot([1, 2], [3, 4]); plt.title('T'); plt.show()")
    same(c.all("execute_result"), [])
    got = data(c, "display_data")
    same(sorted(got), ["e2b/chart", "image/png", "text/plain"])
    same((got["e2b/chart"]["type"], got["e2b/chart"]["title"]), ("line", "T"))
    c = run("plt.plot([1, 2])")
    assert "application/json" not in data(c) and c.text.startswith("[<matplotlib.lines.Line2D"), c.messages
    same(len(c.all("display_data")), 1)
    same(data(run("f, ax = plt.subplots(); plt.close(f); f"))["e2b/chart"], {})
    same(data(run("f, ax = plt.subplots(); ax.pie([1, 2]); plt.close(f); f"))["e2b/chart"]["type"], "pie")


@case("images: a value, shown, saved")
def _():
    png = run("from PIL import Image; i = Image.new('RGB', (2, 2)); i")
    assert data(png)["image/png"], png.messages
    c = run("i.show()")
    same((len(c.all("display_data")), c.err), (1, ""))
    c = run("i.save('/tmp/i.png')")
    assert data(c, "display_data")["image/png"]
    same(run("import os; os.path.getsize('/tmp/i.png') > 0").text, "True")
    same(run("import io; i.save(io.BytesIO(), 'PNG')").all("display_data"), [])


@case("what a class or a bundle says of itself is all that is sent")
def _():
    same(data(run("display({'text/latex': 'x'}, raw=True)"), "display_data"), {"text/latex": "x"})
    c = run("class C:\n    def _repr_markdown_(self): return '*x*'\nC()")
    same(data(c)["text/markdown"], "*x*")


@case("an interrupt is a KeyboardInterrupt, and the state stays")
def _():
    same(run("import time; time.sleep(60)", interrupt_after=0.5).error[0], "KeyboardInterrupt")
    same(run("x").text, "1")


client.stop_channels()
manager.shutdown_kernel(now=True)
finish()
