#!/usr/bin/env python3
"""tests/api/code.py [CASE] - run_code in a sandbox of code-interpreter-v1, by raw
HTTP through the way in: what E2B's own suite for the code interpreter asserts."""
import http.client
import json
import os
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
os.environ.setdefault("COP_TEMPLATES", "code-interpreter-v1")
os.environ.setdefault("COP_CONF", "pool_size = 1")
import coppice
from coppice import WAY_IN, Sandbox, api, case, note, same, send, until

TEMPLATE = "code-interpreter-v1"
PORT = 49999
END = {"type": "end_of_execution"}


class Execution:
    """The events of one run, in order."""

    def __init__(self, lines):
        self.events = [json.loads(x) for x in lines]
        same(self.events[-1], END)

    def all(self, kind):
        return [e for e in self.events if e["type"] == kind]

    def texts(self, kind):
        return [e["text"] for e in self.all(kind)]

    @property
    def results(self):
        return self.all("result")

    @property
    def text(self):
        """Of the main result, as the SDKs' Execution.text."""
        return next((r.get("text") for r in self.results if r["is_main_result"]), None)

    @property
    def error(self):
        e = self.all("error")
        return (e[0]["name"], e[0]["value"]) if e else None

    @property
    def count(self):
        return self.all("number_of_executions")[0]["execution_count"]


class Code(Sandbox):
    def __init__(self, **body):
        super().__init__(templateID=TEMPLATE, **body)

    def ask(self, path, method="POST", body=None):
        return self.way_in(PORT, path, method, body, timeout=60)

    def begin(self, code, **more):
        """The response of a run that goes on."""
        conn = http.client.HTTPConnection(WAY_IN.hostname, WAY_IN.port, timeout=90)
        conn.request("POST", "/execute", json.dumps({"code": code, **more}),
                     {**self.headers(PORT), "Content-Type": "application/json", "X-Access-Token": self.token or ""})
        r = conn.getresponse()
        if r.status != 200:
            raise AssertionError("%d %s" % (r.status, r.read().decode()))
        return conn, r

    def code(self, code, **more):
        conn, r = self.begin(code, **more)
        raw = r.read()
        conn.close()
        assert all(b < 0x7F for b in raw), "not ASCII"
        return Execution(raw.decode().splitlines())

    def context(self, **body):
        r = self.ask("/contexts", body=body)
        assert r.status == 200, r
        return r.json

    def contexts(self):
        return self.ask("/contexts", "GET").json



_shared = []


def shared():
    """One sandbox for the cases that leave nothing behind that matters."""
    if not _shared:
        _shared.append(Code())
    sbx = _shared[0]
    Sandbox.alive.pop(sbx.id, None)  # kill_all() is after every case
    return sbx


@case("Python: values, prints, state, counting")
def _():
    sbx = shared()
    e = sbx.code("x = 1; x")
    same((e.text, e.count, e.results[0]["extra"]), ("1", 1, {}))
    e = sbx.code("x + 1")
    same((e.text, e.count), ("2", 2))
    e = sbx.code("print(1)")
    same((e.texts("stdout"), e.texts("stderr"), e.results), (["1\n"], [], []))
    assert e.all("stdout")[0]["timestamp"]
    same(sbx.code("import sys; print(1, file=sys.stderr)").texts("stderr"), ["1\n"])
    same(sbx.code("print('\u65e5\u2028')").texts("stdout"), ["\u65e5\u2028\n"])


@case("Python: errors with tracebacks")
def _():
    e = shared().code("def f():\n    return undefined_name\nf()")
    same(e.error, ("NameError", "name 'undefined_name' is not defined"))
    trace = e.all("error")[0]["traceback"]
    assert "----> 2     return undefined_name" in trace and "\x1b" not in trace, trace


@case("Python: shell calls, magics, awaiting")
def _():
    sbx = shared()
    same("".join(sbx.code("!pwd").texts("stdout")).strip(), "/home/user")
    same(sbx.code("import asyncio; await asyncio.sleep(0); 5").text, "5")
    same(sbx.code("%timeit -n1 -r1 pass").error, None)


@case("data: a table's columns; a figure is png and text, extra is empty")
def _():
    e = shared().code("import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})")
    same(e.results[0]["data"], {"a": [1, 2], "b": ["x", "y"]})
    assert "<table" in e.results[0]["html"]
    e = shared().code("import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()\n'value'")
    figure, value = e.results
    same((figure["is_main_result"], value["is_main_result"]), (False, True))
    assert figure["png"] and figure["text"] and figure["extra"] == {}, figure
    same(figure["chart"]["type"], "line")
    same(e.text, "value")
    e = shared().code("display({'text/latex': 'x'}, raw=True)")
    same(set(e.results[0]) - {"type", "is_main_result", "extra"}, {"latex"})
    same(shared().code("{'a': [1, (2, 3)]}").results[0]["json"], {"a": [1, [2, 3]]})


CHARTS = {
    "line": "ax.plot([1, 2, 3], [1, 4, 9])",
    "scatter": "ax.scatter([1, 2], [3, 4])",
    "bar": "ax.bar(['a', 'b'], [1, 2])",
    "pie": "ax.pie([1, 2], labels=['a', 'b'])",
    "box_and_whisker": "ax.boxplot([[1, 2, 3], [2, 3, 9]], patch_artist=True)",
    "unknown": "ax.imshow([[1, 2], [3, 4]])",
}


@case("charts: each kind, and several at once")
def _():
    sbx = shared()
    for kind, draw in CHARTS.items():
        e = sbx.code("import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\n%s\nplt.show()" % draw)
        same([r["chart"]["type"] for r in e.results], [kind])
    e = sbx.code("fig, (a, b) = plt.subplots(1, 2)\na.bar(['x', 'y'], [1, 2]); b.pie([1, 2]); fig.suptitle('S'); plt.show()")
    chart = e.results[0]["chart"]
    same((chart["type"], chart["title"], [c["type"] for c in chart["elements"]]), ("superchart", "S", ["bar", "pie"]))
    e = sbx.code("plt.plot([1, 2]); plt.yscale('log'); plt.title('\u65e5\u672c'); plt.show()")
    same(e.results[0]["chart"]["y_scale"], "log")
    same(e.texts("stderr"), [])  # there is a font for it


@case("images: shown, as a value, saved")
def _():
    sbx = shared()
    for last in ("i.show()", "i", "i.save('/tmp/x.png')"):
        e = sbx.code("from PIL import Image\ni = Image.new('RGB', (4, 4))\n" + last)
        assert e.results[0]["png"], e.events


@case("JavaScript: prints, imports, awaiting, promises; TypeScript")
def _():
    sbx = shared()
    same(sbx.code("console.log('Hello World!')", language="javascript").texts("stdout"), ["Hello World!\n"])
    e = sbx.code("import { readFileSync } from 'fs'\nconsole.log(typeof readFileSync)", language="js")
    same(e.texts("stdout"), ["function\n"])
    for code in ("async function main() { return 'Hello World!' }\nawait main()",
                 "async function main() { return 'Hello World!' }\nmain()",
                 "const x = 'Hello World!'; x", "const x = 'Hello World!'; x"):
        same(sbx.code(code, language="javascript").text, "Hello World!", code)
    same(sbx.code("const n: number = 4; const s: string = `a${n}`; s", language="typescript").text, "a4")
    same(sbx.code("interface A { b: string }\nconst a: A = { b: 'c' }; a.b", language="ts").text, "c")
    same(sbx.code("throw new TypeError('no')", language="javascript").error, ("TypeError", "no"))


@case("bash: prints, state, exit status")
def _():
    sbx = shared()
    e = sbx.code("echo out; echo err >&2; cd /tmp; export A=b", language="bash")
    same(("".join(e.texts("stdout")), e.texts("stderr"), e.error), ("out\nerr\n", [], None))
    same("".join(sbx.code("echo $A; pwd", language="bash").texts("stdout")), "b\n/tmp\n")
    same(sbx.code("exit 3", language="bash").error, ("", "3"))
    same(sbx.code("nosuch", language="bash").error, ("", "127"))


@case("R and Java are named with what they want; what nobody knows is refused")
def _():
    sbx = shared()
    for language, package in (("r", "r-cran-irkernel"), ("java", "jdk")):
        r = sbx.ask("/execute", body={"code": "1", "language": language})
        assert r.status == 500 and package in r.raw.decode(), r
    same(sbx.ask("/execute", body={"code": "1", "language": "cobol"}).status, 500)


@case("every language begins in the home directory")
def _():
    sbx = Code()
    for language, code in (("python", "import os; print(os.getcwd())"), ("javascript", "console.log(process.cwd())"),
                           ("typescript", "console.log(process.cwd() as string)"), ("bash", "pwd")):
        same("".join(sbx.code(code, language=language).texts("stdout")), "/home/user\n", language)


READ = {"python": "import os; print(os.environ.get('%s'))", "javascript": "console.log(process.env.%s)",
        "typescript": "console.log(process.env.%s as string)", "bash": "echo \"${%s-None}\""}


@case("variables: of the sandbox, of one execution, and the first again")
def _():
    sbx = Code(envVars={"GLOBAL": "g"})
    for language, read in READ.items():
        def got(name, **more):
            return "".join(sbx.code(read % name, language=language, **more).texts("stdout")).strip()

        same(got("GLOBAL"), "g", language)
        same(got("MINE", env_vars={"MINE": "it's \"m\" $x\n\\ \u65e5"}), "it's \"m\" $x\n\\ \u65e5", language)
        same(got("GLOBAL", env_vars={"GLOBAL": "over"}), "over", language)
        same(got("GLOBAL"), "g", language)
        assert got("MINE") in ("None", "undefined"), language


@case("contexts: made, listed, apart, started anew, removed")
def _():
    sbx = Code()
    first = [(c["language"], c["cwd"]) for c in sbx.contexts()]
    same(first, [("python", "/home/user"), ("javascript", "/home/user")])
    c = sbx.context()
    same((c["language"], c["cwd"]), ("python", "/home/user"))
    root = sbx.context(language="python", cwd="/root")
    same([x["id"] for x in sbx.contexts()][-2:], [c["id"], root["id"]])
    same(sbx.code("import os; os.getcwd()", context_id=root["id"]).text, "/root")
    sbx.code("x = 1", context_id=c["id"])
    same(sbx.code("x", context_id=root["id"]).error, ("NameError", "name 'x' is not defined"))
    same(sbx.ask("/contexts/%s/restart" % c["id"]).raw, b"null")
    same(sbx.code("x", context_id=c["id"]).error, ("NameError", "name 'x' is not defined"))
    same(sbx.ask("/contexts/" + c["id"], "DELETE").raw, b"null")
    r = sbx.ask("/execute", body={"code": "1", "context_id": c["id"]})
    same((r.status, r.raw.decode()), (404, "Context %s not found" % c["id"]))
    for language in ("bash", "javascript"):
        made = sbx.context(language=language, cwd="/tmp")
        code = {"bash": "pwd", "javascript": "console.log(process.cwd())"}[language]
        same("".join(sbx.code(code, context_id=made["id"]).texts("stdout")), "/tmp\n")
    assert sbx.ask("/contexts", body={"cwd": "/nowhere"}).status == 500


@case("who hangs up interrupts, and the next one need not wait")
def _():
    sbx = Code()
    sbx.code("kept = 7")
    for code in ("import time; time.sleep(300)", "while True: pass"):
        conn, _ = sbx.begin(code)
        time.sleep(1)
        conn.close()
        t0 = time.monotonic()
        same(sbx.code("kept").text, "7", code)
        assert time.monotonic() - t0 < 5
    for language, code, after, value in (("javascript", "while (true) {}", "1 + 1", "2"),
                                         ("javascript", "await new Promise(() => {})", "1 + 1", "2"),
                                         ("bash", "sleep 300", "echo 2", None)):
        conn, _ = sbx.begin(code, language=language)
        time.sleep(1)
        conn.close()
        t0 = time.monotonic()
        same(sbx.code(after, language=language).text, value)
        assert time.monotonic() - t0 < 5, language


@case("kill -9 of the server heals, and so does kill -9 of a kernel")
def _():
    sbx = Code()
    sbx.code("x = 1")
    same(sbx.run("sudo pkill -9 -x coppice-code").exit_code, 0)
    assert until(lambda: sbx.ask("/health", "GET").status == 200, 30)
    same(sbx.code("1 + 1").text, "2")
    same(sbx.run("sudo pkill -9 -f '[p]ython3.launch.py'").exit_code, 0)
    assert until(lambda: sbx.code("1 + 1").text == "2", 30)


@case("a sandbox of the pool answers its first run_code at once")
def _():
    ready = lambda: any(t["template"] == TEMPLATE and t["ready"] > 0 for t in api("GET", "/pool").json)  # noqa: E731
    assert until(ready, 60), api("GET", "/pool")
    sbx = Code()
    t0 = time.monotonic()
    same(sbx.code("1 + 1").text, "2")
    first = time.monotonic() - t0
    t0 = time.monotonic()
    same(sbx.code("1 + 2").text, "3")
    note("first run_code %.0f ms, next %.0f ms" % (first * 1e3, (time.monotonic() - t0) * 1e3))
    assert first < 1


@case("what a template's users import is there")
def _():
    e = shared().code("import aiohttp, bs4, docx, joblib, lxml, matplotlib, nltk, numpy, openpyxl, pandas, PIL, plotly, "
                      "pytest, pytz, requests, scipy.stats, seaborn, sklearn.linear_model, sympy, tornado, urllib3, xarray, xlrd\n"
                      "sympy.simplify('x + x')")
    same((e.error, e.text), (None, "2*x"))
    e = shared().code("import plotly.graph_objects as go; f = go.Figure(go.Scatter(x=[1], y=[2])); type(f).__name__")
    same(e.text, "Figure")


coppice.main()
