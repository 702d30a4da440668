"""tests/api/sdk-py/methods.py - the table of docs/e2b.md against the package: no
public method without a row, no row without a method or a case."""
import importlib

import e2b

from harness import same

CLASSES = {
    "commands": ("commands.command", "Commands", "Commands"),
    "files": ("filesystem.filesystem", "Filesystem", "Filesystem"),
    "pty": ("commands.pty", "Pty", "Pty"),
    "git": ("git", "Git", "Git"),
    "CommandHandle": ("commands.command_handle", "CommandHandle", "AsyncCommandHandle"),
    "WatchHandle": ("filesystem.watch_handle", "WatchHandle", "AsyncWatchHandle"),
}
FUNCTIONS = ["get_signature", "wait_for_file", "wait_for_port", "wait_for_process", "wait_for_timeout", "wait_for_url"]


def public(kind, callable_only=False):
    return {n for n in dir(kind) if not n.startswith("_") and (not callable_only or callable(getattr(kind, n)))}


def rows(heading):
    """Rows of a table: the cells, without their backquotes."""
    for section in open("docs/e2b.md").read().split("\n## "):
        if section.startswith(heading + "\n"):
            return [[c.strip().replace("`", "") for c in line.split("|")[1:-1]]
                    for line in section.split("\n") if line.startswith("| `")]
    raise AssertionError("docs/e2b.md has no " + heading)


def compare(table, column, want, lists):
    have = {n.strip() for r in table for n in r[column].split(",")} - {"-", ""}
    same(sorted(want - have), [])  # without a row
    same(sorted(have - want), [])  # without a method
    cases = {line for f in lists for line in open(f).read().split("\n")}
    for r in table:
        for c in r[3].split(";"):
            assert c.strip() in cases, "%s: no case %r" % (r[0], c.strip())


def every():
    want = {"Sandbox." + n for kind in (e2b.Sandbox, e2b.AsyncSandbox) for n in public(kind, True)} | set(FUNCTIONS)
    for prefix, (module, sync, other) in CLASSES.items():
        for where, name in (("sync", sync), ("async", other)):
            kind = getattr(importlib.import_module("e2b.sandbox_%s.%s" % (where, module)), name)
            want |= {prefix + "." + n for n in public(kind)}
    want |= {"AsyncCommandInputHandle." + n for n in public(e2b.AsyncCommandInputHandle)}
    compare(rows("SDK methods inside a sandbox"), 1, want, ["tests/api/cases.txt"])
