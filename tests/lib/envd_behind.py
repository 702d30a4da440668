"""tests/lib/envd_behind.py - behind the back of the envd under test: its files,
and what it holds.

They are below $ENVD_ROOT on this machine.  Without it envd is on another one,
at $ENVD_ADDR (127.0.0.1:49983), where a shell has to say it that envd starts:
`shell` is set by who knows how to ask for one.
"""
import os
import shlex
import stat
import types

HOST, PORT = os.environ.get("ENVD_ADDR", "127.0.0.1:49983").rsplit(":", 1)
ADDR = (HOST, int(PORT))
ROOT = os.environ.get("ENVD_ROOT", "")
HERE = bool(ROOT)
shell = None
_system = []


def ask(script, *names):
    """What a shell script says there; names are its $1, $2..."""
    return shell("set -- %s; %s" % (" ".join(map(shlex.quote, names)), script))


def tell(script, *names):
    said = ask("{ %s; } 2>&1 && echo well" % script, *names)
    assert said.endswith("well\n"), said


def linux():
    """What its programs run on; an emulation says what it emulates."""
    if not _system:
        _system.append("Linux" if HERE else ask("uname -s").strip())
    return _system[0] == "Linux"


def exists(path):
    return os.path.exists(ROOT + path) if HERE else ask('[ -e "$1" ] && echo yes', path) == "yes\n"


def isdir(path):
    return os.path.isdir(ROOT + path) if HERE else ask('[ -d "$1" ] && echo yes', path) == "yes\n"


def listdir(path):
    return os.listdir(ROOT + path) if HERE else ask('ls -a "$1"', path).split("\n")[2:-1]


def read(path):
    if not HERE:
        return ask('cat "$1"', path)
    with open(ROOT + path, encoding="utf-8") as f:
        return f.read()


def makedirs(path):
    if HERE:
        os.makedirs(ROOT + path, exist_ok=True)
    else:
        tell('mkdir -p "$1"', path)


def touch(path):
    if HERE:
        open(ROOT + path, "w", encoding="ascii").close()
    else:
        tell(': > "$1"', path)


def symlink(to, path):
    if HERE:
        os.symlink(to, ROOT + path)
    else:
        tell('ln -s "$1" "$2"', to, path)


def rename(old, new):
    if HERE:
        os.rename(ROOT + old, ROOT + new)
    else:
        tell('mv "$1" "$2"', old, new)


def chmod(path, mode):
    if HERE:
        os.chmod(ROOT + path, mode)
    else:
        tell('chmod "$1" "$2"', "%o" % mode, path)


def long_ago(path):
    """Says that it was changed when time began."""
    if HERE:
        os.utime(ROOT + path, (0, 0))
    else:
        tell('TZ=UTC0 touch -t 197001010000.00 "$1"', path)


def bits(text):
    """drwxr-xr-x as a number."""
    mode = 0
    for i, (letter, bit) in enumerate(zip(text[1:10], (256, 128, 64, 32, 16, 8, 4, 2, 1))):
        mode |= bit if letter not in "-ST" else 0
        if letter in "sStT":
            mode |= (stat.S_ISUID, stat.S_ISGID, stat.S_ISVTX)[i // 3]
    return mode


def look(path):
    """Owner, group, permissions and size, as os.stat() names them."""
    if HERE:
        return os.stat(ROOT + path)
    mode, _, uid, gid, size = ask('ls -ldn "$1"', path).split()[:5]
    return types.SimpleNamespace(st_mode=bits(mode), st_uid=int(uid), st_gid=int(gid), st_size=int(size))


# --- envd itself ---------------------------------------------------------------

def is_envd(pid):
    if os.readlink(f"/proc/{pid}/root") != ROOT:
        return False
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return f.read().split("NSpid:")[1].split("\n")[0].split()[-1] == "1"


def pid():
    if not HERE:
        return ask("echo $PPID").strip()
    for p in os.listdir("/proc"):
        try:
            if p.isdigit() and is_envd(p):
                return p
        except (OSError, IndexError):
            pass
    return None


def rss():
    """KiB."""
    if not HERE:
        return int(ask("ps -o rss= -p $PPID"))
    with open(f"/proc/{pid()}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("VmRSS"):
                return int(line.split()[1])
    return 0


def descriptors():
    """How many; 0 if nobody there may know."""
    if not HERE:
        return int(ask("procstat -h files $PPID 2>/dev/null | awk '$3 ~ /^[0-9]+$/' | wc -l"))
    return len(os.listdir(f"/proc/{pid()}/fd"))
