"""The code interpreter's endpoints by plain HTTP: code_http.py SERVER DIR DOUBLE.

Runs in namespaces of its own: it starts and kills servers on the port that
they have in a sandbox.
"""

import base64
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

SERVER, DIR, DOUBLE = sys.argv[1], sys.argv[2], os.path.realpath(sys.argv[3])
PORT, ENVD = 49999, 49983
INSTALLED = "/usr/share/jupyter/kernels"
HOME, SPECS, SOCKETS = DIR + "/home", DIR + "/kernels", DIR + "/sockets"
END = {"type": "end_of_execution"}
passed = failed = 0


def check(ok, what, *more):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print("#", what, *(repr(m)[:600] for m in more), flush=True)


def same(got, want, what):
    check(got == want, what, got, want)


def wait_for(test, seconds, what):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        got = test()
        if got:
            return got
        time.sleep(0.02)
    check(False, "in time: " + what)
    return None


# --- the server ---------------------------------------------------------------


def spec(name, argv, **more):
    os.makedirs(f"{SPECS}/{name}", exist_ok=True)
    with open(f"{SPECS}/{name}/kernel.json", "w") as f:
        json.dump({"argv": argv, "display_name": name, **more}, f)


def debian(name):
    """A kernel of Debian's, where there is one."""
    shutil.rmtree(f"{SPECS}/{name}", ignore_errors=True)
    if os.path.exists(f"{INSTALLED}/{name}/kernel.json"):
        shutil.copytree(f"{INSTALLED}/{name}", f"{SPECS}/{name}")
        return True
    return False


def double(name, **env):
    spec(name, ["/usr/bin/python3", "-S", DOUBLE], env=env,
         metadata={"coppice": {"transport": "lines"}})


class Server:
    def __init__(self, *args):
        self.log = open(DIR + "/log", "a")
        # A variable of its own user is a kernel's, ours and HOME are not.
        self.p = subprocess.Popen(
            [SERVER, "-d", SOCKETS, "-C", HOME, "-u", str(ENVD),
             "-k", "/nowhere:" + SPECS, *args],
            stderr=self.log, stdin=subprocess.DEVNULL, cwd="/",
            env={"PATH": os.environ["PATH"], "HOME": "/nowhere", "FROM_OUTSIDE": "yes",
                 "COPPICE_SECRET": "no"})

    def ready(self, seconds=60):
        return wait_for(lambda: self.p.poll() is not None or health() == 200, seconds,
                        "the server answers")

    def kill(self, sig=signal.SIGKILL):
        self.p.send_signal(sig)
        self.p.wait()

    def rss_kib(self):
        with open(f"/proc/{self.p.pid}/status") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])

    def kernels(self):
        """Pids of its children."""
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.p.pid)],
                             stdout=subprocess.PIPE, check=False).stdout
        return [int(p) for p in out.split()]


def health():
    try:
        return call("GET", "/health")[0]
    except OSError:
        return 0


def call(method, path, body=None, headers=None, timeout=60):
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=timeout)
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    c.request(method, path, body, headers or {})
    r = c.getresponse()
    data = r.read()
    c.close()
    return r.status, data.decode("latin-1"), r.headers


def raw_events(code, headers=None, **more):
    status, text, _ = call("POST", "/execute", {"code": code, **more}, headers)
    if status != 200:
        raise AssertionError(f"{status} {text}")
    return text


def run(code, headers=None, **more):
    """All events, without the timestamps."""
    out = []
    for line in raw_events(code, headers, **more).split("\n")[:-1]:
        e = json.loads(line)
        if e["type"] in ("stdout", "stderr"):
            check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)",
                               e.pop("timestamp")), "a timestamp", e)
        out.append(e)
    return out


def of(events, kind):
    return [e for e in events if e["type"] == kind]


def text_of(events):
    return "".join(e["text"] for e in of(events, "stdout"))


def value(code, **more):
    """What an expression of Python is, as Python sees it."""
    return json.loads(text_of(run(f"import json; print(json.dumps({code}))", **more)))


class Execution:
    """One that is under way; events are read as wanted."""

    def __init__(self, code, rcvbuf=None, **more):
        self.s = socket.socket()
        self.s.settimeout(60)
        if rcvbuf:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.s.connect(("127.0.0.1", PORT))
        body = json.dumps({"code": code, **more}).encode()
        self.s.sendall(b"POST /execute HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                       % len(body) + body)
        self.f = http.client.HTTPResponse(self.s)
        self.began = False

    def lines(self):
        if not self.began:
            self.f.begin()
            self.began = True
        while line := self.f.readline():
            yield json.loads(line)

    def until(self, kind):
        for e in self.lines():
            if e["type"] == kind:
                return e
        return None

    def rest(self):
        return list(self.lines())

    def leave(self):
        self.f.close()
        self.s.close()


def context(**body):
    status, text, _ = call("POST", "/contexts", body)
    same(status, 200, "a context is made")
    return json.loads(text)


def contexts():
    return json.loads(call("GET", "/contexts")[1])


# --- envd's part --------------------------------------------------------------


class Envd(http.server.BaseHTTPRequestHandler):
    token = "the-token"
    vars: dict = {}
    asked = 0

    def do_GET(self):
        Envd.asked += 1
        ok = self.path == "/envs" and self.headers.get("X-Access-Token") == Envd.token
        body = json.dumps(Envd.vars if ok else {"FROM_401": "must not be"}).encode()
        self.send_response(200 if ok else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


TOKEN = {"X-Access-Token": Envd.token}
NASTY = "a'b\"c\\d\n$e`f`\t{}%\x01\x7f\u00e9\u2028\U0001f600"

# --- cases --------------------------------------------------------------------


def events():
    same(run("print(1)"), [{"type": "number_of_executions", "execution_count": 1},
                           {"type": "stdout", "text": "1\n"}, END], "one print, one event")
    same(run("x = 1; x"), [{"type": "number_of_executions", "execution_count": 2},
                           {"type": "result", "is_main_result": True, "text": "1",
                            "extra": {}}, END], "the last expression is the main result")
    same(run("import sys\nprint('e', file=sys.stderr)")[1],
         {"type": "stderr", "text": "e\n"}, "standard error")
    same(run(""), [{"type": "number_of_executions", "execution_count": 4}, END], "no code")
    same(value("[__import__('os').getcwd(), __import__('os').environ['HOME'],"
               "'COPPICE_SECRET' in __import__('os').environ,"
               "__import__('os').environ['FROM_OUTSIDE'], __import__('os').getuid(),"
               "__import__('os').path.expanduser('~')]"),
         [HOME, "/root", False, "yes", 0, "/root"], "what a kernel is born with")
    text = raw_events("print('\\u00e9\\u2028\\x85\\U0001f600\\0\\x7f', chr(0xdc80))\n"
                      "'h\\u00e9'")
    check(all(0x20 <= ord(c) < 0x7f or c == "\n" for c in text), "ASCII only", text)
    check("\n\n" not in text and not text.startswith("\n"), "no empty line", text)
    check(text.endswith('}\n{"type": "end_of_execution"}\n'), "the last line", text)
    check("\\ud83d\\ude00" in text and "\\u0000" in text and "\\u007f" in text,
          "what is escaped", text)
    e = Execution("1")
    e.rest()
    h = e.f.headers
    same([h["Content-Type"], h["Transfer-Encoding"], h["Access-Control-Allow-Origin"]],
         [None, "chunked", "*"], "headers of a stream")
    e.leave()
    same(text_of(run("!echo from a shell; pwd")).replace("\r", ""),
         f"from a shell\n{HOME}\n", "magics work")
    same(of(run("import asyncio\nawait asyncio.sleep(0)\n7"), "result")[0]["text"], "7",
         "top-level await")
    # What a thread prints when nothing runs is nobody's.
    run("import threading, time\nthreading.Timer(0.1, lambda: print('late')).start()")
    time.sleep(0.5)
    same(text_of(run("print('now')")), "now\n", "late output")


def results():
    for raw, want in (("'abc'", "abc"), ('"it\'s"', "it's"), ("''", ""), ("[1]", "[1]"),
                      ("\"'\"", "'"), ("'a\\\\nb'", "a\\\\nb")):
        same(of(run(raw), "result")[0]["text"], want, f"text of {raw}")
    png = base64.b64encode(b"png").decode()
    bundle = {"text/plain": "p", "text/html": "<b>", "text/markdown": "#", "image/svg+xml": "<svg/>",
              "image/png": png + "\n", "image/jpeg": "j", "application/pdf": "f",
              "text/latex": "$x$", "application/json": {"a": [1, 2.50, None]},
              "application/javascript": "1", "e2b/data": {"c": [1]},
              "e2b/chart": {"type": "line"}, "x/y": {"z": "\u00e9"}, "text/none": None}
    run("from IPython.display import display")
    e = of(run(f"display({bundle!r}, raw=True)"), "result")
    same(e, [{"type": "result", "is_main_result": False, "text": "p", "html": "<b>",
              "markdown": "#", "svg": "<svg/>", "png": png + "\n", "jpeg": "j", "pdf": "f",
              "latex": "$x$", "json": {"a": [1, 2.5, None]}, "javascript": "1",
              "data": {"c": [1]}, "chart": {"type": "line"}, "extra": {"x/y": {"z": "\u00e9"}}}],
         "every MIME type has its key")
    same(of(run("display({'text/latex': 'l'}, raw=True)"), "result"),
         [{"type": "result", "is_main_result": False, "latex": "l", "extra": {}}],
         "nothing is invented")
    big = 12345678901234567890123456789
    same(of(run(f"display({{'application/json': {{'n': {big}, 'r': 0.1}}}}, raw=True)"),
            "result")[0]["json"], {"n": big, "r": 0.1}, "numbers keep their digits")
    same(len(of(run("h = display(1, display_id=True); h.update(2)"), "result")), 1,
         "updates are not results")


def errors():
    e = of(run("1/0"), "error")
    same([(x["name"], x["value"]) for x in e], [("ZeroDivisionError", "division by zero")],
         "an error")
    check("----" in e[0]["traceback"] and "line 1" in e[0]["traceback"], "its traceback", e)
    check("line 3" in of(run("x = 1\n\n1/0", env_vars={"A": "1"}), "error")[0]["traceback"],
          "variables do not move the lines")
    same(of(run("input()"), "error")[0]["name"], "StdinNotImplementedError", "no input")
    same(of(run("def"), "error")[0]["name"], "SyntaxError", "syntax")
    same(of(run("raise KeyError"), "error")[0]["value"], "", "no value")
    same(of(run("1+1"), "result")[0]["text"], "2", "after an error, the next one works")
    # No window in which the kernel would throw away what comes.
    for _ in range(20):
        run("1/0", env_vars={"A": "1"})
        same(text_of(run("import os; print(os.environ.get('A'))")), "None\n",
             "restored after an error")


def requests():
    for body, status, want in (
            ({"code": "1", "context_id": "a", "language": "python"}, 400,
             "Only one of context_id or language can be provided"),
            ({"code": "1", "context_id": "nobody"}, 404, "Context nobody not found"),
            ({"code": "1", "language": "cobol"}, 500, "cobol"),
            ({"code": "1", "language": "../x"}, 500, "../x"),
            ({"code": "1", "language": "x" * 200}, 500, "too long"),
            ({"code": "1", "language": "r"}, 500, "r-cran-irkernel"),
            ({"code": "1", "language": "java"}, 500, "default-jdk-headless"),
            ({}, 422, '"loc":["body","code"],"msg":"Field required"'),
            ({"code": 5}, 422, '"type":"string_type","loc":["body","code"]'),
            ({"code": None}, 422, '["body","code"]'),
            ({"code": "1", "language": 1}, 422, '["body","language"]'),
            ({"code": "1", "context_id": []}, 422, '["body","context_id"]'),
            ({"code": "1", "env_vars": []}, 422, '"type":"dict_type"'),
            ({"code": "1", "env_vars": {"A": 1}}, 422, '["body","env_vars","A"]'),
            ({"code": "1", "env_vars": {"": "1"}}, 422, '["body","env_vars",""]'),
            ({"code": "1", "env_vars": {"A=B": "1"}}, 422, "A=B"),
            ({"code": "1", "env_vars": {"A": "\0"}}, 422, "NUL"),
            ([], 422, "valid dictionary"), ("", 422, "Field required"),
            ("{", 422, "json_invalid"), ('{"code":"1"}x', 422, "json_invalid"),
            ("[" * 5000, 422, "json_invalid"), (b'{"code":"\xff"', 422, "json_invalid")):
        got = call("POST", "/execute", body)
        check(got[0] == status and want in got[1], f"{body!r:.60} is {status}", got[:2])
        same(got[2]["Access-Control-Allow-Origin"], "*", "CORS")
        if status == 422:
            check(isinstance(json.loads(got[1])["detail"], list), "detail is a list", got[1])
    for method, path, status in (
            ("GET", "/execute", 405), ("PUT", "/contexts", 405), ("GET", "/", 404),
            ("DELETE", "/contexts/nobody", 404), ("POST", "/contexts/nobody/restart", 404),
            ("POST", "/contexts/nobody/x", 404), ("GET", "/contexts/nobody", 405),
            ("POST", "/health", 405), ("OPTIONS", "/execute", 200), ("GET", "/contexts/", 404)):
        same(call(method, path, "" if method == "POST" else None)[0], status,
             f"{method} {path}")
    for body, status, want in (({"language": "cobol"}, 500, "cobol"),
                               ({"cwd": "/nowhere"}, 500, "cwd '/nowhere'"),
                               ({"cwd": "/etc/passwd"}, 500, "not a directory"),
                               ({"cwd": 1}, 422, '["body","cwd"]'), ("x", 422, "json")):
        got = call("POST", "/contexts", body)
        check(got[0] == status and want in got[1], f"context {body!r}", got[:2])
    got = call("GET", "/health?source=ci")
    same((got[0], got[1], got[2]["Content-Type"]), (200, '"OK"', "application/json"), "health")
    got = call("POST", "/execute", '{"code": "' + "#" * (17 << 20) + '"}')
    same(got[0], 413, "a body over the limit")
    same(text_of(run("#" * (4 << 20) + "\nprint(len('x'))")), "1\n", "code of 4 MiB")
    same(text_of(run("print(2)", context_id="", language="", env_vars=None)), "2\n",
         "empty is absent")
    same(text_of(run("print(3)", language=" Python ")), "3\n", "a language's other spellings")
    same(text_of(run("print(4)", context_id="default")), "4\n", "the default by its name")


def several():
    same([c["language"] for c in contexts()], ["python"], "only what is installed is there")
    root = context(language="python", cwd="/root")
    same((root["language"], root["cwd"]), ("python", "/root"), "what was asked for")
    same(contexts()[-1], root, "a new context is the last")
    same(value("__import__('os').getcwd()", context_id=root["id"]), "/root", "its cwd")
    run("y = 5", context_id=root["id"])
    same(of(run("y"), "error")[0]["value"], "name 'y' is not defined", "contexts are apart")
    same(text_of(run("print(y)", context_id=root["id"])), "5\n", "and keep what they have")
    same(call("POST", f"/contexts/{root['id']}/restart")[:2], (200, "null"), "restart")
    got = run("y", context_id=root["id"])
    same((of(got, "error")[0]["value"], got[0]["execution_count"]),
         ("name 'y' is not defined", 1), "a new life")
    same(value("__import__('os').getcwd()", context_id=root["id"]), HOME,
         "which begins where all do")
    e = Execution("import time\nprint('in')\ntime.sleep(60)", context_id=root["id"])
    e.until("number_of_executions")
    later = Execution("print('later')", context_id=root["id"])
    same(call("POST", f"/contexts/{root['id']}/restart")[0], 200, "restart while it runs")
    rest = e.rest()
    same((of(rest, "error")[0]["name"], rest[-1]), ("ContextRestarting", END), "who ran is told")
    same(text_of(later.rest()), "later\n", "who waited is served")
    e = Execution("import time\ntime.sleep(60)", context_id=root["id"])
    e.until("number_of_executions")
    later = Execution("print('later')", context_id=root["id"])
    time.sleep(0.1)
    same(call("DELETE", f"/contexts/{root['id']}")[:2], (200, "null"), "delete while it runs")
    same(of(e.rest(), "error")[0]["name"], "UnexpectedEndOfExecution", "who ran is told")
    same(of(later.rest(), "error")[0]["name"], "UnexpectedEndOfExecution", "so is who waited")
    same(call("DELETE", f"/contexts/{root['id']}")[0], 404, "it is gone")
    # The default one comes back when it is wanted.
    old = contexts()[0]
    same(call("DELETE", f"/contexts/{old['id']}")[0], 200, "delete the default")
    same(call("POST", "/execute", {"code": "1", "context_id": old["id"]})[0], 404, "gone")
    same(run("print(6)")[0]["execution_count"], 1, "a new one")
    check(contexts()[0]["id"] != old["id"], "of another id")
    same(call("POST", f"/contexts/{contexts()[0]['id']}/restart")[0], 200, "restart it")
    same(run("print(7)")[0]["execution_count"], 1, "and use it")


def order():
    slow = context()["id"]
    t0 = time.monotonic()
    a = Execution("import time\ntime.sleep(0.6)\nprint('a', time.time())")
    a.until("number_of_executions")
    b = Execution("print('b', __import__('time').time())")
    c = Execution("print('c', __import__('time').time())", context_id=slow)
    first = float(text_of(c.rest()).split()[1])
    ta = float(text_of(a.rest()).split()[1])
    tb = float(text_of(b.rest()).split()[1])
    check(first < ta < tb, "serial in a context, side by side in two", first, ta, tb)
    check(time.monotonic() - t0 < 20, "no one waits long")
    same(call("DELETE", f"/contexts/{slow}")[0], 200, "delete")


def leaving():
    marker = DIR + "/ran"
    e = Execution("import time\nprint('in')\ntime.sleep(300)")
    e.until("number_of_executions")
    queued = Execution(f"open({marker!r}, 'w')")
    time.sleep(0.1)
    queued.leave()
    time.sleep(0.1)
    e.leave()
    t0 = time.monotonic()
    same(of(run("1 + 1"), "result")[0]["text"], "2", "after a client has left")
    check(time.monotonic() - t0 < 5, "the next one runs within 5 s", time.monotonic() - t0)
    check(not os.path.exists(marker), "what waited for nobody is not run")
    # In the first instant, before the kernel has even begun.
    for _ in range(5):
        e = Execution("import time\ntime.sleep(300)", env_vars={"A": "1"})
        e.leave()
        same(text_of(run("import os; print(os.environ.get('A'))")), "None\n", "and at once")
    # Who waits in C code, or catches, is asked again.
    e = Execution("import time\ntry:\n time.sleep(300)\nexcept BaseException:\n pass\n"
                  "time.sleep(300)")
    e.until("number_of_executions")
    time.sleep(0.2)
    e.leave()
    t0 = time.monotonic()
    run("1")
    check(time.monotonic() - t0 < 5, "an interrupt that is caught is repeated")
    e = Execution("!sleep 300")
    e.until("number_of_executions")
    time.sleep(0.3)
    e.leave()
    t0 = time.monotonic()
    run("1")
    check(time.monotonic() - t0 < 5, "what the kernel waits for is interrupted, too")


def variables():
    same(value("'FROM_401' in __import__('os').environ"), False, "a 401 holds no variables")
    Envd.vars = {"GLOBAL": "g", "NASTY": NASTY, "BOTH": "global"}
    env = "dict(__import__('os').environ)"
    got = value(env, headers=TOKEN)
    same((got["GLOBAL"], got["NASTY"], got["BOTH"]), ("g", NASTY, "global"), "envd's variables")
    asked = Envd.asked
    got = value(env, headers=TOKEN, env_vars={"BOTH": "mine", "MINE": NASTY, "a.b-c d": "x"})
    same((got["BOTH"], got["MINE"], got["GLOBAL"], got["a.b-c d"]), ("mine", NASTY, "g", "x"),
         "a request's own come before")
    got = value(env, headers=TOKEN)
    same((got["BOTH"], "MINE" in got), ("global", False), "and are taken back")
    same(Envd.asked, asked, "envd is asked once")
    run("1", env_vars={"PATH": "/bin", "FROM_OUTSIDE": "no"})
    got = value(env)
    same((got["PATH"], got["FROM_OUTSIDE"]), (os.environ["PATH"], "yes"), "what was there before")
    n = run("1")[0]["execution_count"]
    run("1", env_vars={"A": "b"})
    same(run("1")[0]["execution_count"], n + 2, "setting them is not counted")
    fresh = context()["id"]
    run("1", headers=TOKEN, env_vars={"A": "b"}, context_id=fresh)
    same(of(run("%who_ls", context_id=fresh), "result")[0]["text"], "[]", "no new names")
    call("DELETE", f"/contexts/{fresh}")
    Envd.vars = {"FROM_OUTSIDE": "yes", "NASTY": NASTY, "BOTH": "global"}
    # In a language without quotes to spare: what the kernel is told.
    for language in ("bash", "r", "java", "javascript"):
        double({"r": "ir"}.get(language, language))
        run("echo", language=language, headers=TOKEN, env_vars={"BOTH": NASTY})
        said = json.loads(text_of(run("said", language=language)))
        same(len(said), 2, f"{language}: set once, restored once")
        check("NASTY" in said[0] and "BOTH" in said[1], f"{language}: the names", said)
        same("FROM_OUTSIDE" in said[0], language == "java",
             f"{language}: what the kernel has is not set again")
        if language == "bash":
            shell = said[0] + "\nenv -0\n" + said[1] + "\nprintf '%s' \"$BOTH\"\n"
            out = subprocess.run(["bash", "-c", shell], stdout=subprocess.PIPE, check=True,
                                 env={"PATH": os.environ["PATH"]}).stdout.split(b"\0")
            check(b"NASTY=" + NASTY.encode() in out and b"BOTH=" + NASTY.encode() in out and
                  out[-1] == b"global", "bash agrees", out)
    Envd.vars = {}


def keepalive(ident):
    e = Execution("sleep 7", context_id=ident)
    t0 = time.monotonic()
    e.until("keepalive")
    check(4.5 < time.monotonic() - t0 < 6.5, "a sign of life after 5 s", time.monotonic() - t0)
    same(e.rest(), [END], "and no more of them")


class Patience:
    """keepalive(), beside the others."""

    def begin(self):
        double("double")
        self.ident = context(language="double")["id"]
        self.thread = threading.Thread(target=keepalive, args=(self.ident,))
        self.thread.start()

    def end(self):
        self.thread.join()


patience = Patience()


def deaths(server):
    e = Execution("import time\ntime.sleep(60)")
    e.until("number_of_executions")
    later = Execution("print('later')")
    pid = value("__import__('os').getpid()", context_id=context()["id"])
    check(pid in server.kernels(), "kernels are its children")
    for p in server.kernels():
        os.kill(p, signal.SIGKILL)
    same(of(e.rest(), "error")[0]["name"], "ContextRestarting", "a kernel that dies")
    same(text_of(later.rest()), "later\n", "is there again")
    same(of(run("import os; os._exit(1)"), "error")[0]["name"], "ContextRestarting",
         "one that ends itself")
    same(text_of(run("print(8)")), "8\n", "likewise")


def sockets_dir():
    st = os.stat(SOCKETS)
    same((st.st_mode & 0o777, st.st_uid), (0o700, 0), "the sockets are for root alone")


def misbehaviour(server):
    double("double")
    double("slow", DOUBLE_SLOW="1")
    double("stillborn", DOUBLE_EXIT="1")
    spec("gone", ["/nowhere/kernel"],
         metadata={"coppice": {"transport": "lines", "packages": ["gone-a", "gone-b"]}})
    spec("broken", [], metadata={"coppice": {"transport": "lines"}})

    def order_(text, **more):
        return run(text, language="double", **more)

    same(order_("echo hi"), [{"type": "number_of_executions", "execution_count": 1},
                             {"type": "stdout", "text": "hi"}, END], "lines")
    got = order_("die")
    same((text_of(got), of(got, "error")[0]["name"], got[-1]),
         ("last words", "ContextRestarting", END), "dies")
    same(order_("echo again")[0]["execution_count"], 1, "and is there again")
    same(text_of(order_("garbage")), "still here", "garbage is not passed on")
    got = order_("endless")
    check(len(of(got, "stderr")) == 1 and "was left out" in of(got, "stderr")[0]["text"],
          "a line without end is left out, and said so", got)
    same(text_of(order_("echo ok")), "ok", "and no more than that")
    same(of(order_("aborted"), "error")[0]["name"], "ExecutionAborted", "aborted")
    t0 = time.monotonic()
    same(order_("lost")[-1], END, "a lost idle")
    check(time.monotonic() - t0 < 10, "is not waited for without end")
    got = order_("cut")
    same(of(got, "error")[0]["name"], "WebSocketError", "a connection that is cut")
    same(text_of(order_("echo ok")), "ok", "is made again, with a new kernel")
    msg = '{"type":"stream","id":"$ID","content":{"name":"stdout","text":"%s"}}'
    same(text_of(order_("raw " + msg % "\udcff\udcc3")), "\ufffd\ufffd", "bytes that are no UTF-8")
    same(text_of(order_("raw " + msg % "\\ud800")), "\ud800", "half a pair")
    for odd in ('{"type":"error","id":"$ID","content":{}}',
                '{"type":"error","id":"$ID","content":{"ename":1,"traceback":[1,"a",null]}}'):
        e = of(order_("raw " + odd), "error")[0]
        check(all(isinstance(e[k], str) for k in ("name", "value", "traceback")),
              "an error has all three, as strings", e)
    for odd in ('{"type":"stream","id":"$ID","content":{}}',
                '{"type":"display_data","id":"$ID","content":[]}',
                '{"type":"execute_result","id":"$ID","content":{"data":{"text/plain":{"a": [1, 2]}}}}',
                '{"type":"status","id":"$ID"}', '{"type":7,"id":"$ID"}', '"$ID"'):
        same(order_("raw " + odd)[-1], END, f"odd: {odd}")
    got = call("POST", "/execute", {"code": "1", "language": "stillborn"})
    check(got[0] == 500 and "ends as soon as" in got[1], "never starts", got[:2])
    same([c for c in contexts() if c["language"] == "stillborn"], [], "and is not listed")
    got = call("POST", "/contexts", {"language": "stillborn"})
    check(got[0] == 500 and "ends as soon as" in got[1], "nor as a context", got[:2])
    for name, want in (("gone", "gone-a, gone-b"), ("broken", "not a kernelspec")):
        got = call("POST", "/contexts", {"language": name})
        check(got[0] == 500 and want in got[1], name, got[:2])
    t0 = time.monotonic()
    same(text_of(run("echo at last", language="slow")), "at last", "a slow start is waited for")
    e = Execution("sleep 300", language="double")
    e.until("number_of_executions")
    e.leave()
    same(text_of(order_("echo ok")), "ok", "interrupted")
    # One that takes no notice is not killed; a restart is the way out.
    e = Execution("deaf 300", language="double")
    e.until("number_of_executions")
    e.leave()
    later = Execution("echo free", language="double")
    deaf = [c["id"] for c in contexts() if c["language"] == "double" and
            c["id"] != patience.ident][0]
    time.sleep(1.2)
    same(call("POST", f"/contexts/{deaf}/restart")[0], 200, "restart of one that is deaf")
    same(text_of(later.rest()), "free", "frees who waits")
    wait_for(lambda: not any(b"deaf" in open(f"/proc/{p}/cmdline", "rb").read()
                             for p in server.kernels()), 5, "the old one goes")
    ids = [context(language="double", cwd="/tmp")["id"] for _ in range(20)]
    runs = [Execution(f"sleep {0.5}", context_id=i) for i in ids]
    t0 = time.monotonic()
    for r in runs:
        same(r.rest()[-1], END, "one of twenty")
    check(time.monotonic() - t0 < 5, "twenty at once", time.monotonic() - t0)
    same(text_of(run("cwd", context_id=ids[7])), "/tmp", "a cwd of their own")
    for i in ids:
        same(call("DELETE", f"/contexts/{i}")[0], 200, "delete")
    wait_for(lambda: len(server.kernels()) < 20, 10, "their processes end")


def floods(server):
    before = server.rss_kib()
    size = 100 << 20
    e = Execution("for i in range(%d): print('%%07d ' %% i + 'o' * 1015)" % (size // 1024),
                  rcvbuf=65536)
    e.until("number_of_executions")
    time.sleep(2)  # it reads nothing for a while
    stalled = server.rss_kib()
    got, lines = 0, 0
    tail = ""
    for x in e.lines():
        if x["type"] == "stdout":
            got += len(x["text"])
            tail += x["text"]
            *whole, tail = tail.split("\n")
            for w in whole:
                if int(w[:7]) != lines:
                    check(False, "a line is missing", lines, w[:7])
                    return
                lines += 1
    same(got, size, "all of 100 MiB arrives")
    after = server.rss_kib()
    check(after - before < 64 * 1024, "in bounded memory (KiB)", before, stalled, after)
    # A client that never reads holds up its own context alone, and may leave.
    e = Execution("flood 100000", rcvbuf=4096, language="double")
    e.until("number_of_executions")
    time.sleep(0.5)
    same(text_of(run("print(9)")), "9\n", "others are served")
    e.leave()
    t0 = time.monotonic()
    same(text_of(run("echo ok", language="double")), "ok", "and so is the next one")
    check(time.monotonic() - t0 < 10, "soon", time.monotonic() - t0)
    check(server.rss_kib() - before < 64 * 1024, "still bounded", server.rss_kib())
    # One message of 20 MB.
    got = run("print('y' * 20000000)")
    same(len(text_of(got)), 20000001, "one long line")


def servers(server):
    other = Server("-p", "50001")
    same(other.p.wait(10), 1, "a second server does not take over")
    kernels = server.kernels()
    check(len(kernels) > 0, "there are kernels")
    server.kill()
    wait_for(lambda: not any(os.path.exists(f"/proc/{p}/exe") and
                             os.path.realpath(f"/proc/{p}/exe") != f"/proc/{p}/exe"
                             and open(f"/proc/{p}/stat").read().split(") ")[1][0] != "Z"
                             for p in kernels), 5, "kernels go with the server")
    check(len(os.listdir(SOCKETS)) > 1, "and leave their sockets behind")
    server = Server()
    server.ready()
    same(text_of(run("print(10)")), "10\n", "a new server comes up among them")
    check(len([f for f in os.listdir(SOCKETS) if f.startswith("k")]) <= 6, "and cleans up",
          os.listdir(SOCKETS))
    return server


def without_python(server):
    """Where python is not there, or does not work, the others still do."""
    server.kill()
    shutil.rmtree(SPECS + "/python3")
    server = Server()
    server.ready(10)
    got = call("POST", "/execute", {"code": "1"})
    check(got[0] == 500 and "python3-ipykernel" in got[1], "no python", got[:2])
    same(text_of(run("echo ok", language="double")), "ok", "but others")
    same([c["language"] for c in contexts()], ["javascript", "double"], "which are there")
    server.kill()
    double("python3", DOUBLE_EXIT="1")
    server = Server()
    server.ready(10)
    got = call("POST", "/execute", {"code": "1"})
    check(got[0] == 500 and "ends as soon as" in got[1], "python does not start", got[:2])
    double("python3")
    same(text_of(run("echo ok")), "ok", "until it is repaired")
    return server


def r():
    """R is used where it is installed."""
    debian("python3")
    server = Server()
    server.ready()
    same(text_of(run('print("Hello")', language="r")), '[1] "Hello"\n', "R prints")
    e = of(run("1 + 1", language="r"), "result")
    same([(x["text"], x["is_main_result"]) for x in e], [("[1] 2", False)], "R's value")
    same(text_of(run("cat(getwd())", language="R")), HOME, "R's cwd")
    e = of(run('stop("x")', language="r"), "error")
    check(len(e) == 1 and "x" in e[0]["value"], "R's error", e)
    get = "cat(Sys.getenv('A'), Sys.getenv('é'))"
    same(text_of(run(get, language="r", env_vars={"A": NASTY, "é": "2"})), NASTY + " 2",
         "R's variables")
    same(text_of(run(get, language="r")), " ", "and without them")
    e = Execution("Sys.sleep(300)", language="r")
    e.until("number_of_executions")
    time.sleep(0.2)
    e.leave()
    t0 = time.monotonic()
    run("1", language="r")
    check(time.monotonic() - t0 < 5, "R is interrupted")
    ident = [c["id"] for c in contexts() if c["language"] == "r"][0]
    run("y <- 1", language="r")
    same(call("POST", f"/contexts/{ident}/restart")[0], 200, "R restarts")
    check("'y' not found" in of(run("y", language="r"), "error")[0]["value"], "and has forgotten")
    return server


def main():
    os.mkdir(HOME)
    os.mkdir(SPECS)
    debian("python3")
    envd = http.server.ThreadingHTTPServer(("127.0.0.1", ENVD), Envd)
    threading.Thread(target=envd.serve_forever, daemon=True).start()
    server = Server()
    same(health(), 0, "refused until it is ready")
    server.ready()
    for case in (events, results, errors, requests, order, leaving, several, variables,
                 lambda: deaths(server), sockets_dir, lambda: patience.begin(),
                 lambda: misbehaviour(server), lambda: floods(server),
                 lambda: patience.end()):
        t0 = time.monotonic()
        try:
            case()
        except Exception as e:  # one case must not hide the others
            check(False, "a case ends early", e)
            import traceback
            traceback.print_exc(file=sys.stdout)
        if os.environ.get("CODE_TIMES"):
            print("#", case.__name__, round(time.monotonic() - t0, 1), flush=True)
        if server.p.poll() is not None:
            check(False, "the server has ended", server.p.returncode)
            server = Server()
            server.ready()
    server = without_python(servers(server))
    if debian("ir"):
        server.kill()
        server = r()
    server.kill(signal.SIGTERM)
    same(server.p.returncode, 0, "it ends when told to")
    if failed:
        with open(DIR + "/log") as f:
            print("# " + "# ".join(f.readlines()[-20:]))
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
