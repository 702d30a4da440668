"""files_cases.py - /files: download, upload, compose, and with a token."""
import base64
import gzip
import hashlib
import json
import os
import time
import urllib.parse

from fs_cases import BAD_PATHS, fixture, fresh_dir, tree
from side import JSON, basic

TOKEN = "0tQG31xiMp0IOQfaz9dcwi72L1CPo8e0"
OCTET = {"Content-Type": "application/octet-stream"}
OLD = 1000000000
HTTP_OLD = "Sun, 09 Sep 2001 01:46:40 GMT"


def q(**kw):
    return "/files?" + urllib.parse.urlencode(kw)


def part(name, data, filename=None, head=()):
    d = f'form-data; name="{name}"' if name is not None else "form-data"
    if filename is not None:
        d += f'; filename="{filename}"'
    lines = [f"Content-Disposition: {d}", *head]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def form(*parts, boundary="BB", end=True):
    b = b"".join(b"--" + boundary.encode() + b"\r\n" + p + b"\r\n" for p in parts)
    return b + (b"--" + boundary.encode() + b"--\r\n" if end else b"")


# Of a signature; the SDKs' tests compare what is said about these.
TEXTS = ("unsigned", "signed", "far", "expired", "expired, wrong", "another path", "empty signature")
FORM = {"Content-Type": "multipart/form-data; boundary=BB"}


def case_get(s):
    fx = fixture(s)
    for n in sorted(os.listdir(fx)) + ["dir/b.txt", "dirlink/a", "file/x", "nothing/x"]:
        if n in ("fifo", "fifolink"):
            continue  # blocks both until somebody writes
        s.ask(n, "GET", q(path="fx/" + n, username="user"), text=n.startswith("no"))
    for p in BAD_PATHS:
        s.ask(f"path {p[:40]!r} of {len(p)}", "GET", q(path=p, username="user"))
    s.ask("text of missing", "GET", q(path="no such", username="user"), text=True)
    s.ask("text of missing, absolute", "GET", q(path="/no/./such/"), text=True)
    s.ask("text of directory", "GET", q(path="fx/dir"), text=True)
    s.ask("no path", "GET", "/files", text=True)
    s.ask("no path, root", "GET", q(username="root"), text=True)
    for u in ("user", "root", "nobodyhere", "", "1000"):
        s.ask(f"username {u!r}", "GET", q(path="fx/file", username=u))
        s.ask(f"username {u!r} and Basic user", "GET", q(path="fx/file", username=u),
              headers=basic("user"))
    s.ask("only Basic", "GET", q(path="fx/file"), headers=basic("user"))
    s.ask("only Basic root", "GET", q(path="fx/file"), headers=basic("root"))
    s.ask("path twice", "GET", "/files?path=fx/file&path=fx/dir/a")
    s.ask("username twice", "GET", "/files?path=fx/file&username=user&username=root")
    s.ask("plus", "GET", "/files?path=fx/a+b&username=user")
    s.ask("percent", "GET", "/files?path=fx%2Fa%20b&username=user")
    s.ask("unknown query", "GET", q(path="fx/file", more="x"))
    s.ask("expiration without token", "GET", q(path="fx/file", signature_expiration="x"))
    s.ask("signature without token", "GET", q(path="fx/file", signature="x"))
    s.ask("bare path", "GET", "/files?path")
    s.ask("with a body", "GET", q(path="fx/file"), body=b"xxx")
    for p in "/proc/uptime", "/proc/self/status", "/sys/kernel/mm/transparent_hugepage/enabled":
        r = s.raw("GET", q(path=p))
        s.note(p, (r[0], r[1].get("content-type"), r[1].get("content-length"), len(r[2]) > 0))
    s.ask("/dev/null", "GET", q(path="/dev/null"))


SNIFF = {"html": b"<!DOCTYPE HTML><html>", "html2": b"  \n<html>", "htmlish": b"<htmlx>", "xml": b"<?xml version='1.0'?>",
         "pdf": b"%PDF-1.4", "ps": b"%!PS-Adobe-", "utf8bom": b"\xef\xbb\xbfx", "utf16": b"\xff\xfex\0",
         "utf16be": b"\xfe\xff\0x", "gif": b"GIF89a....", "png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff\xe0",
         "bmp": b"BMxxxx", "ico": b"\0\0\1\0", "webp": b"RIFFxxxxWEBPVP", "wav": b"RIFFxxxxWAVE",
         "avi": b"RIFFxxxxAVI ", "mp3": b"ID3xx", "ogg": b"OggS\0", "mid": b"MThd\0\0\0\6", "mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
         "webm": b"\x1a\x45\xdf\xa3", "gz": b"\x1f\x8b\x08", "zip": b"PK\3\4", "rar": b"Rar!\x1a\7\0", "wasm": b"\0asm",
         "ttf": b"\0\1\0\0", "otf": b"OTTO", "woff": b"wOFF", "woff2": b"wOF2", "elf": b"\x7fELF", "text": b"plain text\n",
         "bin": b"a\0b", "esc": b"a\x1bb", "ctl": b"a\x01b", "latin": b"caf\xe9", "empty": b"", "comment": b"<!-- x", "script": b"<script>",
         "a": b"<a>", "p": b"<p ", "snd": b".snd", "aiff": b"FORMxxxxAIFF", "spaces": b" \t\n", "ttc": b"ttcf", "eot": b"\0" * 34 + b"LP"}
EXTENSIONS = ("html htm txt json js mjs css png jpg jpeg gif svg xml pdf wasm webp avif py c h sh md csv zip gz tar "
              "mp4 mp3 wav ts tsx jsx yaml toml ini log ico woff woff2 ttf bin exe deb go rs java HTML TXT Png "
              "tar.gz ipynb parquet docx xlsx webm ogg bmp tiff rtf sql php pl rb jpg~ x").split()


def case_types(s):
    w = fresh_dir(s)
    for n, d in SNIFF.items():
        with open(f"{w}/sniff-{n}", "wb") as f:
            f.write(d)
        s.ask(f"sniffed {n}", "GET", q(path=f"w/sniff-{n}"))
    for e in EXTENSIONS:
        with open(f"{w}/f.{e}", "wb") as f:
            f.write(b"plain\n")
        s.ask(f".{e}", "GET", q(path=f"w/f.{e}"))
        s.ask(f".{e}, gzip", "GET", q(path=f"w/f.{e}"), headers={"Accept-Encoding": "gzip"}, plain=True)
        _, h, _ = s.raw("GET", q(path=f"w/f.{e}"), headers={"Accept-Encoding": "gzip"})
        s.note(f".{e}, gzip: coded", (h.get("content-type"), h.get("content-encoding")))
    for n in ("plain", "a b", "ü.txt", 'quo"te', "semi;colon", "a,b", "back\\slash", "per%cent", "a'b", "line\nfeed",
              "tab\t", "(x)", "a=b", "[x]", "@", "{}", "~t", "dot.", ".dot", "\U0001f600", "x" * 200, "é" * 60, "a*b",
              "sp  ace", " lead", "trail ", "\x7f", "<x>", "a:b", "a?b", "!#$&+-^_`|~"):
        with open(f"{w}/{n}", "wb") as f:
            f.write(b"x")
        s.ask(f"name {n[:20]!r}", "GET", q(path=f"w/{n}"))
    with open(w.encode() + b"/\xff", "wb") as f:
        f.write(b"x")
    s.ask("name not UTF-8", "GET", "/files?path=w/%FF")


def case_ranges(s):
    w = fresh_dir(s)
    with open(w + "/f.bin", "wb") as f:
        f.write(bytes(range(256)) * 4)
    with open(w + "/e.txt", "wb"):
        pass
    os.utime(w + "/f.bin", (OLD, OLD))
    u, e = q(path="w/f.bin"), q(path="w/e.txt")
    for r in ("bytes=0-0", "bytes=0-", "bytes=10-19", "bytes=-5", "bytes=-0", "bytes=-5000", "bytes=1023-", "bytes=1024-",
              "bytes=1000-5000", "bytes=5-4", "bytes=0-1,3-4", "bytes=0-1, 3-4", "bytes=0-1,2000-", "bytes=2000-,3000-",
              "bytes=0-0,-1", "bytes=3-4,0-1", "bytes=0-600,100-900", "bytes=", "bytes", "bytes=a-b", "bytes=-", "bytes=1",
              "octets=0-1", "Bytes=0-1", "bytes=0-1,", "bytes= 0-1", "bytes=0 -1", "bytes=0-1;x", "bytes=--1", "bytes=+1-2",
              "bytes=0-99999999999999999999", "bytes=99999999999999999999-", "bytes=,0-1", "bytes=0-1,,3-4", "", "bytes=0-1023",
              "bytes=0-1,0-1,0-1", "bytes=0-500,0-500,0-500", "bytes=1-2,3-4,5-6,7-8,9-10,11-12,13-14,15-16,17-18,19-20"):
        s.ask(f"range {r!r}", "GET", u, headers={"Range": r})
        s.ask(f"range {r!r} of an empty file", "GET", e, headers={"Range": r})
    later, before = "Mon, 10 Sep 2001 01:46:40 GMT", "Sat, 08 Sep 2001 01:46:40 GMT"
    for h in ("If-Modified-Since", "If-Unmodified-Since", "If-Range", "If-None-Match", "If-Match"):
        for v in (HTTP_OLD, later, before, "x", "", '"etag"', "*", "Sunday, 09-Sep-01 01:46:40 GMT",
                  "Sun Sep  9 01:46:40 2001"):
            s.ask(f"{h}: {v}", "GET", u, headers={h: v})
            s.ask(f"{h}: {v} and a range", "GET", u, headers={h: v, "Range": "bytes=0-3"})
    s.ask("both", "GET", u, headers={"If-Modified-Since": HTTP_OLD, "If-None-Match": '"x"'})
    s.ask("both un", "GET", u, headers={"If-Unmodified-Since": before, "If-Match": "*"})
    s.ask("range and gzip", "GET", u, headers={"Range": "bytes=0-3", "Accept-Encoding": "gzip"})
    s.ask("range, identity excluded", "GET", u,
          headers={"Range": "bytes=0-3", "Accept-Encoding": "gzip, identity;q=0"})
    for h in ("If-Range", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Match"):
        s.ask(f"{h} and gzip", "GET", u, headers={h: "x", "Accept-Encoding": "gzip"}, plain=True)
        s.ask(f"{h}, identity excluded", "GET", u, plain=True,
              headers={h: "x", "Accept-Encoding": "gzip, identity;q=0"})


def case_encodings(s):
    w = fresh_dir(s)
    data = b"hello world " * 500
    for n in "f.txt", "plain":
        with open(f"{w}/{n}", "wb") as f:
            f.write(data)
    open(w + "/empty", "wb").close()
    for a in (None, "", "gzip", "identity", "gzip, deflate", "deflate, gzip", "gzip;q=0", "gzip;q=0, *", "*", "*;q=0",
              "identity;q=0", "identity;q=0, *", "gzip;q=0.5, identity", "identity;q=0.5, gzip;q=0.5", "gzip;q=0.5, identity;q=0.5",
              "identity, gzip", "gzip, identity", "br", "br, gzip;q=0.1", "gzip, br", "GZIP", "gzip;q=1.5", "gzip;q=x", "gzip;q=",
              "gzip; q=0.8", "gzip ;q=0.8", "x-gzip", "*;q=0.5, gzip", "gzip;q=0, identity;q=0", "*;q=0, gzip", "*;q=0, identity",
              "gzip;q=0.001", "gzip;q=-1", "gzip,,identity", ",", ";q=1", "gzip;foo=bar", "gzip;q=0.2;q=0.9",
              "gzip;q=0.5, *;q=0.9", "br;q=1, *;q=0.5", "zstd, identity;q=0", "gzip, deflate, br, zstd", "deflate"):
        h = {} if a is None else {"Accept-Encoding": a}
        # Python's client names identity by itself when nothing is named.
        for n in ("f.txt", "empty"):
            st, head, body = s.raw("GET", q(path="w/" + n), headers=h or {"Accept-Encoding": ""})
            coded = head.get("content-encoding")
            if coded == "gzip":
                body = gzip.decompress(body)
            s.note(f"{a!r} {n}", (st, st != 200 or body == (data if n == "f.txt" else b"")))
            s.note(f"{a!r} {n}: coded", (coded, s.clean_head(head, b"", st == 200)))
    s.ask("gzip of a missing one", "GET", q(path="w/nothing"), headers={"Accept-Encoding": "gzip"}, text=True)
    s.ask("406 of a missing one", "GET", q(path="w/nothing"), headers={"Accept-Encoding": "identity;q=0"})
    s.ask("406 of a directory", "GET", q(path="w"), headers={"Accept-Encoding": "identity;q=0"})


def after(s, label, *names):
    """What lies there now."""
    w = s.path("/home/user/w")
    out = {}
    for n in names:
        try:
            st = os.lstat(f"{w}/{n}")
            with open(f"{w}/{n}", "rb") as f:
                out[n] = (oct(st.st_mode), st.st_uid, st.st_gid, f.read(100),
                          sorted(k for k in os.listxattr(f"{w}/{n}") if "e2b" in k))
        except OSError as e:
            out[n] = e.errno
    s.note(label + ": there", out)


def case_put(s):
    w = fresh_dir(s)
    s.ask("octet", "POST", q(path="w/a", username="user"), b"hello", OCTET)
    after(s, "octet", "a")
    s.ask("octet, as root", "POST", q(path="/home/user/w/r", username="root"), b"hello", OCTET)
    s.ask("octet, over root's", "POST", q(path="w/r", username="user"), b"x", OCTET)
    after(s, "octet, over root's", "r")
    os.chmod(w + "/a", 0o4711)
    s.ask("octet, mode kept", "POST", q(path="w/a", username="user"), b"xx", OCTET)
    after(s, "octet, mode kept", "a")
    s.ask("octet, empty", "POST", q(path="w/e", username="user"), b"", OCTET)
    s.ask("octet, no path", "POST", q(username="user"), b"x", OCTET)
    s.ask("octet, empty path", "POST", q(path="", username="user"), b"x", OCTET)
    s.ask("octet, directory", "POST", q(path="w", username="user"), b"x", OCTET, text=False)
    s.ask("octet, parents", "POST", q(path="w/p/q/r", username="user"), b"x", OCTET)
    s.ask("octet, parent a file", "POST", q(path="w/a/x", username="user"), b"x", OCTET)
    s.ask("octet, chunked", "POST", q(path="w/ch", username="user"), headers={**OCTET,
          "Transfer-Encoding": "chunked"}, chunked=[b"one", b"two"])
    after(s, "octet, chunked", "ch", "e")
    os.symlink("a", w + "/l")
    os.symlink("new", w + "/dang")
    os.symlink("loop", w + "/loop")
    os.symlink("/home/user/w/p", w + "/dl")
    os.mkfifo(w + "/fifo")
    for n in "l", "dang", "loop", "dl", "dl/in", "x" * 256, "nul\0", "sl/", "sp ace", "ü":
        s.ask(f"octet to {n[:20]!r}", "POST", q(path="w/" + n, username="user"), b"linked", OCTET)
    after(s, "octet to links", "a", "new", "p/in", "l", "sp ace")
    s.ask("octet, bad ~", "POST", q(path="~root/x", username="user"), b"x", OCTET)
    s.ask("octet, ~", "POST", q(path="~/w/tilde", username="user"), b"x", OCTET)
    s.ask("octet, unclean absolute", "POST", q(path="/home/user//w/./u", username="user"), b"x", OCTET)
    for p in "a/", "abs/", "abs/x/", "p/", "p/..", "./dot", "nn//x", "l/", "dl/y", "dl/../z", "a/../zz", "none/../zzz", "p/.":
        s.ask(f"octet, absolute {p}", "POST", q(path="/home/user/w/" + p, username="user"), b"x", OCTET)
        s.ask(f"back: {p}", "GET", q(path="/home/user/w/" + p))
    s.ask("octet, unknown user", "POST", q(path="w/x", username="nobodyhere"), b"x", OCTET)
    s.ask("octet, no user", "POST", q(path="w/nouser"), b"x", OCTET)
    s.ask("octet, Basic user", "POST", q(path="w/basic"), b"x", {**OCTET, **basic("root")})
    s.ask("octet to /proc", "POST", q(path="/proc/nothing"), b"x", OCTET)
    s.ask("octet to /dev/full", "POST", q(path="/dev/full", username="root"), b"x" * 10, OCTET)
    s.ask("octet to /dev/null", "POST", q(path="/dev/null", username="root"), b"x" * 10, OCTET)
    for t in ("text/plain", "", None, "application/json", "application/octet-stream; charset=x", "Application/Octet-Stream",
              "application/x-www-form-urlencoded", "multipart/form-data", "multipart/mixed; boundary=BB",
              "multipart/form-data; boundary=\"BB\"", "multipart/form-data; boundary=", "multipart/x; boundary=BB; y",
              "application/octet-streamx", "MULTIPART/FORM-DATA; boundary=BB", "multipart/form-data;boundary=BB",
              "multipart/form-data; charset=utf-8; boundary=BB"):
        h = {} if t is None else {"Content-Type": t}
        s.ask(f"type {t!r}", "POST", q(path="w/t", username="user"), form(part("file", b"typed", "t")), h)
    s.note("tree", tree(w))


def case_form(s):
    w = fresh_dir(s)

    def put(label, *parts, url=q(username="user"), text=False, body=None, head=FORM):
        s.ask(label, "POST", url, body if body is not None else form(*parts), head, text)
    put("one", part("file", b"1", "w/one"))
    put("one, path", part("file", b"2", "ignored"), url=q(path="w/two", username="user"))
    put("several", part("file", b"3", "w/x1"), part("file", b"4", "/home/user/w/x2"), part("file", b"5", "~/w/deep/x3"))
    put("same twice", part("file", b"6", "w/s"), part("file", b"7", "w/s"))
    put("same by another name", part("file", b"6", "w/t"), part("file", b"7", "/home/user/w/t"))
    put("path and two", part("file", b"8", "a"), part("file", b"9", "b"), url=q(path="w/u", username="user"))
    put("other names", part("other", b"x", "w/no"), part("file", b"y", "w/yes"), part("x", b"z"))
    put("only other names", part("other", b"x", "w/no"))
    put("nothing in it", body=b"--BB--\r\n")
    put("nothing at all", body=b"")
    put("no file name", part("file", b"x"))
    put("no file name, path", part("file", b"x"), url=q(path="w/nofn", username="user"))
    put("empty file name", part("file", b"x", ""))
    put("empty file name, path", part("file", b"x", ""), url=q(path="w/efn", username="user"))
    put("name a directory", part("file", b"x", "w"))
    put("bad ~", part("file", b"x", "~root/x"))
    put("no end", body=form(part("file", b"abc", "w/noend"), end=False))
    put("torn in a part", body=form(part("file", b"abc", "w/torn"))[:-12])
    put("torn in a head", body=b"--BB\r\nContent-Dispos")
    put("preamble, epilogue", body=b"before\r\n" + form(part("file", b"x", "w/pre")) + b"after")
    put("LF only", body=form(part("file", b"x", "w/lf")).replace(b"\r\n", b"\n"))
    put("no disposition", body=b"--BB\r\nContent-Type: text/plain\r\n\r\nx\r\n--BB--\r\n")
    put("bad disposition", body=b"--BB\r\nContent-Disposition: form-data; name=file; filename\r\n\r\nx\r\n--BB--\r\n")
    put("unquoted", body=b"--BB\r\nContent-Disposition: form-data; name=file; filename=w/unq\r\n\r\nx\r\n--BB--\r\n")
    put("attachment", body=b"--BB\r\nContent-Disposition: attachment; name=file; filename=w/att\r\n\r\nx\r\n--BB--\r\n")
    put("escaped quote", part("file", b"x", 'w/q\\"uote'))
    put("backslash", part("file", b"x", "w/b\\\\s"))
    put("percent quote", part("file", b"x", "w/p%22q"))
    put("unicode", part("file", b"x", "w/ü"))
    put("filename*", body=b"--BB\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''w%2Fst%C3%BC\r\n\r\nx\r\n--BB--\r\n")
    put("both filenames", body=b"--BB\r\nContent-Disposition: form-data; name=\"file\"; filename=\"w/plain\"; filename*=UTF-8''w%2Fext\r\n\r\nx\r\n--BB--\r\n")
    put("transfer encoding", part("file", b"aGk=", "w/te", ["Content-Transfer-Encoding: base64"]))
    put("quoted-printable", part("file", b"a=3Db", "w/qp", ["Content-Transfer-Encoding: quoted-printable"]))
    put("data like a boundary", part("file", b"--BB-\r\n--B\r\n--BBx\r\n-", "w/like"))
    put("line ends", part("file", b"\r\n\r\n", "w/le"))
    put("binary", part("file", bytes(range(256)), "w/bin"))
    put("large", part("file", b"x" * 300000, "w/large"))
    put("header case", body=b"--BB\r\ncontent-disposition: form-data; NAME=\"file\"; FILENAME=\"w/case\"\r\n\r\nx\r\n--BB--\r\n")
    put("part of type", part("file", b"x", "w/ty", ["Content-Type: text/plain", "X-Other: y"]))
    put("metadata in the part", part("file", b"x", "w/mp", ["X-Metadata-A: y"]))
    put("space after boundary", body=form(part("file", b"x", "w/sab")).replace(b"--BB\r\n", b"--BB  \r\n"))
    put("parent a file", part("file", b"x", "w/one/x"), part("file", b"y", "w/never"))
    put("good, then bad", part("file", b"x", "w/good"), part("file", b"y", "w"))
    put("path empty", part("file", b"x", "w/pe"), url=q(path="", username="user"))
    put("gzip", head={**FORM, "Content-Encoding": "gzip"}, body=gzip.compress(form(part("file", b"zipped", "w/z"))))
    put("no gzip, but says so", part("file", b"x", "w/z2"), head={**FORM, "Content-Encoding": "gzip"})
    put("br", part("file", b"x", "w/z3"), head={**FORM, "Content-Encoding": "br"})
    for n in "noend", "torn":  # how much of it there is, is a matter of buffers
        if os.path.exists(f"{w}/{n}"):
            os.unlink(f"{w}/{n}")
    s.note("tree", tree(w))
    after(s, "contents", "one", "two", "x1", "s", "u", "like", "le", "te", "qp", "bin", "z", "pre")


def case_put_encoded(s):
    fresh_dir(s)
    z = gzip.compress(b"hello" * 1000)
    for e, body in (("gzip", z), ("GZIP", z), ("gzip", b"hello"), ("gzip", b""), ("gzip", z[:-20]), ("gzip", z[:-3]), ("gzip", z[:5]),
                    ("gzip", z + z), ("gzip", z + b"junk"), ("identity", b"hello"), ("", b"hello"), ("br", b"x"), ("deflate", b"x"),
                    ("gzip, gzip", z), ("gzip, identity", z), ("x-gzip", z), (" gzip ", z), ("identity, gzip", z), ("gzip;q=1", z),
                    ("gzip", z[:40] + b"XX" + z[42:])):
        name = f"{e} {len(body)} {body[:2].hex()}"
        s.ask(name, "POST", q(path="w/z", username="user"), body, {**OCTET, "Content-Encoding": e})
        after(s, name, "z")


def case_metadata(s):
    fresh_dir(s)

    def put(label, head, data=b"x", path="w/m"):
        s.ask(label, "POST", q(path=path, username="user"), data, {**OCTET, **head})
        after(s, label, "m")
        s.fs(label + ": stat", "Stat", {"path": path})
    put("one", {"X-Metadata-Key": "value"})
    put("none", {})
    put("two", {"X-Metadata-A": "1", "x-metadata-bB": "2"})
    put("empty value", {"X-Metadata-E": ""})
    put("empty key", {"X-Metadata-": "v"})
    put("spaces", {"X-Metadata-S": "  a b  "})
    put("not ASCII", {"X-Metadata-U": "caf\xe9"})
    put("tab in it", {"X-Metadata-T": "a\tb"})
    put("long key", {"X-Metadata-" + "k" * 246: "v"})
    put("too long a key", {"X-Metadata-" + "k" * 247: "v"})
    put("long value", {"X-Metadata-K": "v" * 4086})
    put("too long a value", {"X-Metadata-K": "v" * 4087})
    put("many", {f"X-Metadata-{i}": str(i) for i in range(20)})
    put("too much of all", {f"X-Metadata-{i}": "v" * 500 for i in range(10)})
    put("odd keys", {"X-Metadata-a.b": "1", "X-Metadata-a_b": "2", "X-Metadata-a~!": "3"})
    s.ask("download has it not", "GET", q(path="w/m"))
    s.ask("form", "POST", q(username="user"), form(part("file", b"x", "w/f1"), part("file", b"y", "w/f2")),
          {**FORM, "X-Metadata-A": "1"})
    s.fs("listed", "ListDir", {"path": "w"})
    s.fs("moved", "Move", {"source": "w/f1", "destination": "w/f3"})
    s.ask("bad with a form", "POST", q(username="user"), form(part("file", b"x", "w/f4")),
          {**FORM, "X-Metadata-A": "\x7f"})
    out, _ = s.socket(b"POST /files?path=w/twice&username=user HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
                      b"Content-Length: 1\r\nX-Metadata-A: 1\r\nX-Metadata-A: 2\r\n\r\nx", 1.0)
    s.note("repeated", (out.split(b"\r\n")[0], json.loads(out.split(b"\r\n\r\n")[1])))


def case_compose(s):
    w = fresh_dir(s)

    def compose(label, msg, text=False, head=None):
        s.ask(label, "POST", "/files/compose", msg if isinstance(msg, bytes) else json.dumps(msg).encode(),
              {"Content-Type": JSON} if head is None else head, text)

    def fill():
        for n in "abc":
            with open(f"{w}/{n}", "w", encoding="ascii") as f:
                f.write(n * 3)
            os.chown(f"{w}/{n}", 1000, 1000)
    fill()
    compose("three", {"source_paths": ["w/a", "w/b", "w/c"], "destination": "w/all"})
    after(s, "three", "all", "a", "b", "c")
    fill()
    os.chmod(w + "/all", 0o600)
    compose("over another", {"source_paths": ["w/c"], "destination": "w/all", "username": "root"})
    after(s, "over another", "all", "c")
    fill()
    for label, m in (("none", {"source_paths": [], "destination": "w/x"}), ("no list", {"destination": "w/x"}),
                     ("no destination", {"source_paths": ["w/a"]}), ("empty destination", {"source_paths": ["w/a"], "destination": ""}),
                     ("missing", {"source_paths": ["w/a", "w/nothing"], "destination": "w/x"}),
                     ("itself", {"source_paths": ["w/a", "w/all"], "destination": "/home/user/w/all"}),
                     ("twice", {"source_paths": ["w/a", "w/a"], "destination": "w/x"}),
                     ("a directory", {"source_paths": ["w"], "destination": "w/x"}),
                     ("to a directory", {"source_paths": ["w/b"], "destination": "w"}),
                     ("unknown user", {"source_paths": ["w/b"], "destination": "w/x", "username": "nobodyhere"}),
                     ("empty user", {"source_paths": ["w/b"], "destination": "w/x", "username": ""}),
                     ("parents", {"source_paths": ["w/c"], "destination": "w/p/q/x"}),
                     ("bad ~", {"source_paths": ["~root/x"], "destination": "w/x"}),
                     ("bad ~ to", {"source_paths": ["w/b"], "destination": "~root/x"}),
                     ("empty source", {"source_paths": [""], "destination": "w/x"}),
                     ("wrong type", {"source_paths": "w/b", "destination": "w/x"}), ("null source", {"source_paths": [None], "destination": "w/x"}),
                     ("unknown field", {"source_paths": ["w/b"], "destination": "w/y", "more": 1})):
        compose(label, m)
    for b in (b"", b"{", b"[]", b"null", b'"x"'):
        compose(f"body {b!r}", b)
    compose("no type", {"source_paths": ["w/y"], "destination": "w/z"}, head={})
    os.symlink("z", w + "/l")
    compose("a link", {"source_paths": ["w/l"], "destination": "w/x2"})
    s.ask("GET", "GET", "/files/compose")
    s.note("tree", tree(w))


def case_zz_token(s):
    """Last: the other one does not let go of a token any more."""
    fresh_dir(s)
    s.init(accessToken=TOKEN, defaultUser="user")
    with open(s.path("/home/user/w/hello.txt"), "w", encoding="ascii") as f:
        f.write("hi")

    def sign(path, op, user, exp=None, token=TOKEN):
        t = f"{path}:{op}:{user}:{token}" + ("" if exp is None else f":{exp}")
        return "v1_" + base64.b64encode(hashlib.sha256(t.encode()).digest()).decode().rstrip("=")
    for method in "GET", "POST", "DELETE", "OPTIONS":
        for path in ("/health", "/metrics", "/envs", "/files", "/files/compose", "/nothing", "/process.Process/List",
                     "/filesystem.Filesystem/Stat", "/health/", "/files/", "/process.Process/Start"):
            if (method, path) in (("GET", "/metrics"), ("GET", "/envs")):
                continue
            s.ask(f"without: {method} {path}", method, path, headers={"Content-Type": JSON}, auth=False, text=True)
            s.ask(f"wrong: {method} {path}", method, path, auth=False,
                  headers={"Content-Type": JSON, "X-Access-Token": "wrong"})
    s.ask("right", "POST", "/process.Process/List", b"{}", {"Content-Type": JSON})
    s.ask("stream without", "POST", "/process.Process/Start", b"", {"Content-Type": "application/connect+json"}, auth=False)
    s.ask("unknown user without", "GET", "/envs", headers=basic("nobodyhere"), auth=False)
    s.ask("unknown user without, open", "GET", "/health", headers=basic("nobodyhere"), auth=False)
    s.ask("preflight without", "OPTIONS", "/process.Process/List", auth=False,
          headers={"Origin": "x", "Access-Control-Request-Method": "POST"})
    s.ask("without, origin", "POST", "/process.Process/List", b"{}", auth=False, headers={"Origin": "x", "Content-Type": JSON})
    far, past = int(time.time()) + 4000, int(time.time()) - 10
    p, u = "w/hello.txt", "user"
    good = {"path": p, "username": u, "signature": sign(p, "read", u)}
    gets = {"unsigned": {"path": p}, "signed": good, "far": {**good, "signature": sign(p, "read", u, far), "signature_expiration": far},
            "expired": {**good, "signature": sign(p, "read", u, past), "signature_expiration": past},
            "expired, wrong": {**good, "signature_expiration": past},
            "expiration not signed": {**good, "signature_expiration": far},
            "expiration signed, not given": {**good, "signature": sign(p, "read", u, far)},
            "write for read": {**good, "signature": sign(p, "write", u)},
            "another user": {**good, "username": "root"}, "no username": {"path": p, "signature": sign(p, "read", "")},
            "empty username": {"path": p, "username": "", "signature": sign(p, "read", "")},
            "another path": {**good, "path": "./" + p}, "its own path": {**good, "path": "./" + p, "signature": sign("./" + p, "read", u)},
            "empty signature": {**good, "signature": ""}, "padded": {**good, "signature": good["signature"] + "="},
            "lower case": {**good, "signature": good["signature"].lower()}, "no prefix": {**good, "signature": good["signature"][3:]},
            "expiration x": {**good, "signature_expiration": "x"}, "expiration empty": {**good, "signature_expiration": ""},
            "expiration negative": {**good, "signature": sign(p, "read", u, -1), "signature_expiration": -1},
            "expiration 0": {**good, "signature": sign(p, "read", u, 0), "signature_expiration": 0},
            "expiration +": {**good, "signature": sign(p, "read", u, far), "signature_expiration": f"+{far}"},
            "expiration 0x": {**good, "signature": sign(p, "read", u, far), "signature_expiration": f"0{far}"},
            "expiration huge": {**good, "signature_expiration": 10**20},
            "expiration float": {**good, "signature_expiration": f"{far}.5"},
            "missing file": {"path": "w/nothing", "username": u, "signature": sign("w/nothing", "read", u)},
            "no path": {"signature": sign("", "read", "")}, "unknown user": {"path": p, "username": "nobodyhere", "signature": sign(p, "read", "nobodyhere")},
            "other token": {**good, "signature": sign(p, "read", u, None, "other")}}
    for label, params in gets.items():
        s.ask(f"GET {label}", "GET", q(**params), auth=False, text=label in TEXTS)
        s.ask(f"GET {label}, token", "GET", q(**params))
        s.ask(f"GET {label}, wrong token", "GET", q(**params), auth=False, headers={"X-Access-Token": "wrong"}, text=label in TEXTS)
        s.ask(f"GET {label}, empty token", "GET", q(**params), auth=False, headers={"X-Access-Token": ""}, text=label in TEXTS)
    wgood = {"path": "w/up", "username": u, "signature": sign("w/up", "write", u)}
    for label, params in (("unsigned", {"path": "w/up"}), ("signed", wgood), ("read for write", {**wgood, "signature": sign("w/up", "read", u)}),
                          ("far", {**wgood, "signature": sign("w/up", "write", u, far), "signature_expiration": far}),
                          ("expired", {**wgood, "signature": sign("w/up", "write", u, past), "signature_expiration": past}),
                          ("no path", {"username": u, "signature": sign("", "write", u)})):
        s.ask(f"POST {label}", "POST", q(**params), form(part("file", b"up", "w/up2")), FORM, auth=False, text=True)
        s.ask(f"POST {label}, token", "POST", q(**params), form(part("file", b"up", "w/up2")), FORM)
    sp = "w/a b+ü&=.txt"
    for enc in urllib.parse.quote_plus, urllib.parse.quote:
        s.ask(f"odd path {enc.__name__}", "POST", f"/files?path={enc(sp)}&username=user&signature={enc(sign(sp, 'write', u))}",
              b"x", OCTET, auth=False)
    s.ask("compose without", "POST", "/files/compose", b"{}", {"Content-Type": JSON}, auth=False)
    s.ask("token twice", "POST", "/process.Process/List", b"{}", {"Content-Type": JSON, "X-Access-Token": TOKEN + " "}, auth=False)
    after(s, "written", "up", "up2", sp)
