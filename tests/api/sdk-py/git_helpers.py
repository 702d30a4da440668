"""tests/api/sdk-py/git_helpers.py - the git helpers of e2b of PyPI: what they run
is shell text, which has to find a git and a shell as it expects them."""
import base64
import time

from e2b import (CommandExitException, GitAuthException, GitUpstreamException,
                 InvalidArgumentException)

from harness import both, same


async def repository(k, name):
    sbx = await k.box()
    path = "/home/user/%s-%d" % (name, time.time_ns())
    git = sbx.git
    await k(git.init(path, initial_branch="main"))
    await k(git.configure_user("Ada", "ada@example.com", scope="local", path=path))
    await k(sbx.files.write(path + "/one", "first\n"))
    await k(git.add(path))
    await k(git.commit(path, 'first commit: "quoted" $x'))
    return sbx, git, path


@both("git: from init to commit")
async def _(k):
    sbx, git, path = await repository(k, "commit")
    same(await k.text(sbx, 'git log --format="%an <%ae> %s"', cwd=path),
         'Ada <ada@example.com> first commit: "quoted" $x')
    await k(sbx.files.write(path + "/one", "changed\n"))
    await k(sbx.files.write(path + "/two", "new\n"))
    st = await k(git.status(path))
    same(st.current_branch, "main")
    same(sorted((f.name, f.status) for f in st.file_status), [("one", "modified"), ("two", "untracked")])
    await k(git.add(path, files=["two"]))
    st = await k(git.status(path))
    same([f.staged for f in st.file_status if f.name == "two"], [True])
    await k(git.commit(path, "second", author_name="Bob", author_email="bob@example.com"))
    same(await k.text(sbx, "git log -1 --format=%an", cwd=path), "Bob")
    await k(git.commit(path, "empty", allow_empty=True))


@both("git: branches")
async def _(k):
    _, git, path = await repository(k, "branch")
    await k(git.create_branch(path, "feature/x"))
    b = await k(git.branches(path))
    same((b.branches, b.current_branch), (["feature/x", "main"], "feature/x"))
    await k(git.checkout_branch(path, "main"))
    await k(git.delete_branch(path, "feature/x"))
    same((await k(git.branches(path))).branches, ["main"])
    await k.raises(CommandExitException, lambda: git.checkout_branch(path, "none"))


@both("git: reset and restore")
async def _(k):
    sbx, git, path = await repository(k, "reset")
    one = path + "/one"
    await k(sbx.files.write(one, "spoilt\n"))
    await k(git.restore(path, paths=["one"]))
    same(await k(sbx.files.read(one)), "first\n")
    await k(sbx.files.write(one, "second\n"))
    await k(git.add(path))
    await k(git.restore(path, paths=["one"], staged=True, worktree=False))
    same((await k(git.status(path))).file_status[0].staged, False)
    await k(git.add(path))
    await k(git.commit(path, "second"))
    await k(git.reset(path, mode="hard", target="HEAD~1"))
    same(await k(sbx.files.read(one)), "first\n")


@both("git: a remote, pushed to, cloned and pulled")
async def _(k):
    sbx, git, path = await repository(k, "remote")
    bare, copy = path + ".git", path + "-copy"
    await k(git.init(bare, bare=True, initial_branch="main"))
    same(await k(git.remote_get(path, "origin")), None)
    await k(git.remote_add(path, "origin", bare))
    same(await k(git.remote_get(path, "origin")), bare)
    await k(git.remote_add(path, "origin", bare, overwrite=True, fetch=True))
    await k(git.push(path, remote="origin", branch="main", set_upstream=True))
    await k(git.clone(bare, path=copy, branch="main", depth=1))
    same(await k(sbx.files.read(copy + "/one")), "first\n")
    await k(sbx.files.write(path + "/two", "more\n"))
    await k(git.add(path, all=True))
    await k(git.commit(path, "two"))
    same((await k(git.status(path))).ahead, 1)
    await k(git.push(path))
    await k(git.pull(copy))
    same(await k(sbx.files.read(copy + "/two")), "more\n")


@both("git: configuration")
async def _(k):
    sbx, git, path = await repository(k, "config")
    await k(git.set_config("alias.st", "status -s", scope="local", path=path))
    same(await k(git.get_config("alias.st", scope="local", path=path)), "status -s")
    same(await k(git.get_config("alias.none")), None)
    await k(git.set_config("pull.rebase", "false"))
    same(await k.text(sbx, "git config --global pull.rebase"), "false")


ASKS = """
import http.server, base64
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        have = self.headers.get("Authorization", "")
        open("/tmp/asked", "a").write(have + "\\n")
        self.send_response(401 if have != "Basic " + base64.b64encode(b"ada:pass").decode() else 404)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.end_headers()
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", 8124), H).serve_forever()
"""


@both("git: credentials, and what is missing")
async def _(k):
    sbx, git, path = await repository(k, "auth")
    await k(sbx.files.write("/tmp/asks.py", ASKS))
    h = await k(sbx.commands.run("exec python3 -u /tmp/asks.py", background=True))

    async def listens():
        return await k.text(sbx, "ss -Htln sport = :8124") != ""
    assert await k.until(listens)
    url, to = "http://127.0.0.1:8124/private.git", path + "-private"
    await k.raises(GitAuthException, lambda: git.clone(url, path=to))
    await k.raises(GitAuthException, lambda: git.clone(url, path=to, username="ada", password="wrong"))
    await k.raises(InvalidArgumentException, lambda: git.clone(url, password="alone"))
    await k(git.dangerously_authenticate(username="ada", password="pass", host="127.0.0.1:8124", protocol="http"))
    await k.raises(CommandExitException, lambda: git.clone(url, path=to))
    assert "Basic " + base64.b64encode(b"ada:pass").decode() in await k(sbx.files.read("/tmp/asked"))
    await k(git.remote_add(path, "origin", url))
    await k.raises(GitUpstreamException, lambda: git.push(path))
    await k.raises(GitUpstreamException, lambda: git.pull(path))
    await k(h.kill())
