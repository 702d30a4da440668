"""tests/api/sdk-py/harness.py - what the suites share: a sandbox for all cases
that change nothing about it, ways to look at it, and the run."""
import asyncio
import datetime
import http.client
import inspect
import os
import threading
import time
import traceback
import urllib.parse

from e2b import AsyncSandbox, Sandbox

cases = {}
made = []
shared = None


class Skip(Exception):
    """Raised by a case that cannot run here, with the reason."""


# --- helpers -----------------------------------------------------------------

def create(**opts):
    sbx = Sandbox.create(**{"timeout": 120, **opts})
    made.append(sbx)
    return sbx


def box():
    """The sandbox of all cases that change nothing about it."""
    global shared
    if shared is None:
        shared = create()
    return shared


def until(condition, seconds=10):
    """Waits for a condition, with a limit."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def text(sbx, command, **opts):
    return sbx.commands.run(command, **opts).stdout.strip()


def reach(sbx, host, port=80):
    """What a TCP connection from inside says: open or closed."""
    return text(sbx, "timeout 3 bash -c '</dev/tcp/%s/%d' 2>/dev/null"
                     " && echo open || echo closed" % (host, port))


def way_in(host, target="/", method="GET", body=None, headers=None):
    """What the way in answers to a request for that host."""
    url = urllib.parse.urlsplit(os.environ["E2B_SANDBOX_URL"])
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
    c.request(method, target, body, {"Host": host, **(headers or {})})
    r = c.getresponse()
    body = r.read().decode()
    c.close()
    return r.status, r.getheader("Content-Type"), body


def listed(paginator):
    found = []
    while paginator.has_next:
        found += paginator.next_items()
    return found


class raises:
    """with raises(Kind, "text in the message") as r: ...; then r.error"""

    def __init__(self, kind, message=""):
        self.kind, self.message, self.error = kind, message, None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        assert kind is not None, "nothing was raised"
        self.error = error
        if not issubclass(kind, self.kind):
            return False
        assert self.message in str(error), str(error)
        return True


def same(a, b):
    assert a == b, "%r is not %r" % (a, b)


def test(name):
    def add(body):
        assert name not in cases, name
        cases[name] = body
        return body
    return add


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Follow(threading.Thread):
    """Reads a command's output while the case goes on."""

    def __init__(self, handle):
        super().__init__(daemon=True)
        self.handle, self.out, self.result, self.error = handle, "", None, None
        self.start()

    def run(self):
        try:
            self.result = self.handle.wait(
                on_stdout=self.add, on_pty=lambda d: self.add(d.decode("utf-8", "replace")))
        except Exception as e:  # the case looks at it
            self.error = e

    def add(self, more):
        self.out += more

    def end(self):
        self.join(15)
        assert not self.is_alive(), "still running; so far: " + self.out
        if self.error:
            raise self.error
        return self.result


# --- one source, both classes ------------------------------------------------

class Kit:
    """What a case needs that runs with Sandbox and with AsyncSandbox.

    `await k(x)` is x, or what comes of it where it has to be awaited."""

    def __init__(self, kind):
        self.Sandbox = kind
        self.is_async = issubclass(kind, AsyncSandbox)
        self.made, self.shared = [], None

    async def __call__(self, x):
        return await x if inspect.isawaitable(x) else x

    async def create(self, *args, **opts):
        sbx = await self(self.Sandbox.create(*args, **{"timeout": 120, **opts}))
        self.made.append(sbx)
        return sbx

    async def box(self):
        if self.shared is None:
            self.shared = await self.create()
        return self.shared

    async def text(self, sbx, command, **opts):
        return (await self(sbx.commands.run(command, **opts))).stdout.strip()

    async def until(self, condition, seconds=10):
        end = time.monotonic() + seconds
        while True:
            if await self(condition()):
                return True
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.05)

    async def raises(self, kind, ask, message=""):
        try:
            await self(ask())
        except kind as e:
            assert message in str(e), str(e)
            return e
        raise AssertionError("nothing was raised")

    async def follow(self, handle):
        """Reads a background command on; with .out, and .end() for the result."""
        return Follow(handle) if not self.is_async else FollowAsync(handle)

    async def listed(self, paginator):
        found = []
        while paginator.has_next:
            found += await self(paginator.next_items())
        return found


class FollowAsync:
    def __init__(self, handle):
        self.handle = handle

    @property
    def out(self):
        return self.handle.stdout

    async def end(self):
        return await asyncio.wait_for(self.handle.wait(), 15)


kits = {}
loop = asyncio.new_event_loop()


def both(name, kinds=(Sandbox, AsyncSandbox)):
    """A case by that name with Sandbox, and by `async: name` with the other."""
    def add(body):
        for kind, as_ in zip(kinds, (name, "async: " + name)):
            kit = kits.setdefault(kind, Kit(kind))
            test(as_)(lambda kit=kit: loop.run_until_complete(asyncio.wait_for(body(kit), 120)))
        return body
    return add


# --- run ---------------------------------------------------------------------

def main(pick, listed_in):
    """Runs what was added; the file's lines are the names that are wanted."""
    want = [l for l in open(listed_in).read().split("\n")
            if l and not l.startswith("#")]
    passed = failed = skipped = 0
    for name in want:
        if name not in cases:
            failed += 1
            print("not ok %s: no such case in this suite" % name)
    for name, body in cases.items():
        if pick not in name:
            continue
        t0 = time.monotonic()
        try:
            assert name.removeprefix("async: ") in want, "not in " + listed_in
            body()
            passed += 1
            print("ok %s (%d ms)" % (name, (time.monotonic() - t0) * 1000), flush=True)
        except Skip as e:
            skipped += 1
            print("skipped %s: %s" % (name, e), flush=True)
        except Exception as e:
            failed += 1
            print("not ok %s" % name)
            for line in traceback.format_exception(e)[-3:]:
                print("#   " + line.rstrip().replace("\n", "\n#   "), flush=True)
    for kit in kits.values():
        for sbx in kit.made:
            try:
                loop.run_until_complete(kit(sbx.kill()))
            except Exception as e:
                print("# kill: %s" % e)
    for sbx in made:
        try:
            sbx.kill()
        except Exception as e:
            print("# kill: %s" % e)
    print("%d passed, %d failed" % (passed, failed) + (", %d skipped" % skipped if skipped else ""), flush=True)
    os._exit(failed != 0)
