"""tests/api/sdk-py/run_code.py [TEXT] - the cases of cases-code.txt with
e2b-code-interpreter of PyPI, against the template code-interpreter-v1; each with
Sandbox and with AsyncSandbox."""
import base64
import sys
import time

from e2b import InvalidArgumentException, NotFoundException, SandboxException, TimeoutException
from e2b_code_interpreter import AsyncSandbox, Sandbox

import harness
from harness import Skip, same
from methods import compare, public, rows


def both(name):
    def add(body):
        async def guarded(k):
            try:
                await k.box()
            except SandboxException as e:
                if "code-interpreter-v1" in str(e):
                    raise Skip("the template code-interpreter-v1 is not here") from e
                raise
            await body(k)
        return harness.both(name, (Sandbox, AsyncSandbox))(guarded)
    return add


async def run(k, code, **opts):
    return await k((await k.box()).run_code(code, **opts))


@both("code: values, prints and results")
async def _(k):
    r = await run(k, 'import sys\nprint("out ä\\u2028")\nprint("err", file=sys.stderr)\n6 * 7')
    same((r.text, "".join(r.logs.stdout), "".join(r.logs.stderr)), ("42", "out ä\u2028\n", "err\n"))
    same([x.is_main_result for x in r.results], [True])
    assert r.error is None and r.execution_count >= 1
    same((await run(k, '"text"')).text, "text")
    r = await run(k, "x = 1")
    same((r.text, r.results), (None, []))
    same((await run(k, '{"a": [1, 2]}')).results[0].json, {"a": [1, 2]})
    r = await run(k, 'from IPython.display import display, Latex, HTML\ndisplay(HTML("<b>h</b>"))\n'
                     'display({"text/latex": "$x$"}, raw=True)')
    same((r.results[0].html, list(r.results[1].formats())), ("<b>h</b>", ["latex"]))
    same(r.results[0].is_main_result, False)
    same((await run(k, 'import asyncio\nawait asyncio.sleep(0.01)\n"awaited"')).text, "awaited")


@both("code: state is kept, and contexts are apart")
async def _(k):
    sbx = await k.box()
    await run(k, "kept = 11")
    same((await run(k, "kept + 1")).text, "12")
    c = await k(sbx.create_code_context(cwd="/tmp"))
    same((c.language, c.cwd), ("python", "/tmp"))
    same((await run(k, "kept", context=c)).error.name, "NameError")
    same((await run(k, "import os; os.getcwd()", context=c)).text, "/tmp")
    same((await run(k, "import os; os.getcwd()")).text, "/home/user")
    await k(sbx.remove_code_context(c))


@both("code: contexts listed, restarted and removed")
async def _(k):
    sbx = await k.box()
    c = await k(sbx.create_code_context(language="python"))

    async def ids():
        return [x.id for x in await k(sbx.list_code_contexts())]
    assert c.id in await ids()
    await run(k, "here = 1", context=c)
    await k(sbx.restart_code_context(c.id))
    same((await run(k, "here", context=c)).error.name, "NameError")
    await k(sbx.remove_code_context(c.id))
    assert c.id not in await ids()
    for ask in (lambda: sbx.run_code("1", context=c), lambda: sbx.restart_code_context(c),
                lambda: sbx.remove_code_context(c)):
        await k.raises(NotFoundException, ask)


@both("code: errors with their traceback")
async def _(k):
    r = await run(k, "def f():\n    return 1 / 0\nf()")
    same((r.error.name, r.error.value), ("ZeroDivisionError", "division by zero"))
    assert "line 2" in r.error.traceback and "return 1 / 0" in r.error.traceback, r.error.traceback
    assert "\x1b[" not in r.error.traceback
    same((await run(k, "if:")).error.name, "SyntaxError")
    same((await run(k, '"and on"')).text, "and on")


@both("code: told as it happens")
async def _(k):
    told, first, t0 = [], [], time.monotonic()

    def out(m):
        first.append(time.monotonic() - t0)
        told.append(("out", m.line))
    r = await run(k, 'import time, sys\nprint("one", flush=True)\ntime.sleep(0.7)\nprint("two", file=sys.stderr)\n'
                     'display("shown")\nint("x")',
                  on_stdout=out, on_stderr=lambda m: told.append(("err", m.line)),
                  on_result=lambda x: told.append(("result", x.text)), on_error=lambda e: told.append(("error", e.name)))
    assert first[0] < 0.65, first
    same(r.error.name, "ValueError")
    same(told, [("out", "one\n"), ("err", "two\n"), ("result", "shown"), ("error", "ValueError")])


@both("code: pictures and charts")
async def _(k):
    r = await run(k, 'import matplotlib.pyplot as plt\nplt.bar(["a", "b"], [1, 2])\nplt.title("T")\n'
                     'plt.xlabel("what")\nplt.ylabel("much [kg]")\nplt.show()')
    assert r.error is None, r.error.traceback
    p = r.results[0]
    same(base64.b64decode(p.png)[1:4], b"PNG")
    same((type(p.chart).__name__, p.chart.type.value, p.chart.title, p.chart.y_unit), ("BarChart", "bar", "T", "kg"))
    same([(e.label, e.value) for e in p.chart.elements], [("a", 1), ("b", 2)])
    same(set(p.formats()), {"text", "png", "chart"})


@both("code: tables")
async def _(k):
    r = await run(k, 'import pandas as pd\npd.DataFrame({"a": [1, 2], "b": ["x", "y"]})')
    assert r.error is None, r.error.traceback
    same(r.results[0].data, {"a": [1, 2], "b": ["x", "y"]})
    assert "<table" in r.results[0].html


@both("code: more than its time, and the next")
async def _(k):
    await run(k, "before = 5")
    await k.raises(TimeoutException, lambda: run(k, "import time\ntime.sleep(60)", timeout=0.8))
    t0 = time.monotonic()
    same((await run(k, "before")).text, "5")
    assert time.monotonic() - t0 < 6


@both("code: environment variables")
async def _(k):
    sbx = await k.create(envs={"GLOBAL": "sandbox"})
    code = 'import os; (os.environ.get("GLOBAL"), os.environ.get("OWN"))'
    same((await k(sbx.run_code(code))).text, "('sandbox', None)")
    own = {"GLOBAL": "call", "OWN": 'it\'s "q"\\'}
    same((await k(sbx.run_code(code, envs=own))).text, repr(("call", own["OWN"])))
    same((await k(sbx.run_code(code))).text, "('sandbox', None)")


@both("code: JavaScript, TypeScript and bash")
async def _(k):
    r = await run(k, 'const f = (x) => x * 2\nconsole.log("said")\nf(21)', language="js")
    same((r.text, "".join(r.logs.stdout)), ("42", "said\n"))
    r = await run(k, "const n: number = await Promise.resolve(3)\nn", language="ts")
    same(r.text, "3")
    same((await run(k, "nothere.x", language="javascript")).error.name, "ReferenceError")
    same("".join((await run(k, "V=7; echo $((V*6))", language="bash")).logs.stdout), "42\n")
    same("".join((await run(k, "echo $V", language="bash")).logs.stdout), "7\n")


@both("code: what cannot be")
async def _(k):
    sbx = await k.box()
    c = await k(sbx.create_code_context())
    await k.raises(InvalidArgumentException, lambda: run(k, "1", context=c, language="python"))
    await k(sbx.remove_code_context(c))
    await k.raises(SandboxException, lambda: run(k, "1", language="cobol"), "cobol")
    await k.raises(SandboxException, lambda: sbx.create_code_context(language="cobol"), "cobol")
    await k.raises(SandboxException, lambda: sbx.create_code_context(cwd="/no/such"), "/no/such")
    await k.raises(NotFoundException, lambda: sbx.remove_code_context("none"))
    same((await run(k, '"works"')).text, "works")


@harness.test("code: every method has a row")
def _():
    import e2b
    want = {"Sandbox." + n for mine, base in ((Sandbox, e2b.Sandbox), (AsyncSandbox, e2b.AsyncSandbox))
            for n in public(mine, True) - public(base, True)}
    compare(rows("SDK methods of the code interpreter"), 1, want, ["tests/api/cases-code.txt"])


harness.main(sys.argv[1] if len(sys.argv) > 1 else "", "tests/api/cases-code.txt")
