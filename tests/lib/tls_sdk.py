"""tests/lib/tls_sdk.py - what an unchanged e2b of PyPI does with nothing but
E2B_DOMAIN and E2B_API_KEY; for tests/api/tls.py."""
import os
import subprocess
import urllib.request

from e2b import Sandbox


def curl(*args):
    return subprocess.run(["curl", "-sS", "-m", "20", "--fail", *args], check=True, capture_output=True, text=True).stdout


sbx = Sandbox.create(timeout=60)
try:
    assert sbx.commands.run("echo $((6 * 7))").stdout == "42\n"
    sbx.files.write("/home/user/a.txt", "by TLS")
    assert sbx.files.read("/home/user/a.txt") == "by TLS"
    big = "x" * 3_000_000
    sbx.files.write("/tmp/big", big)
    assert sbx.files.read("/tmp/big") == big

    sbx.commands.run("cd /home/user && exec python3 -m http.server 8000 --bind 127.0.0.1", background=True)
    host = sbx.get_host(8000)
    assert host == "8000-%s.%s" % (sbx.sandbox_id, os.environ["E2B_DOMAIN"]), host
    with urllib.request.urlopen("https://%s/a.txt" % host, timeout=20) as r:
        assert r.read() == b"by TLS"

    assert curl(sbx.download_url("/home/user/a.txt", use_signature_expiration=60)) == "by TLS"
    curl("-F", "file=@/etc/hostname", sbx.upload_url("/home/user/b.txt", use_signature_expiration=60))
    with open("/etc/hostname") as f:
        assert sbx.files.read("/home/user/b.txt") == f.read()

    assert sbx.is_running()
    assert Sandbox.connect(sbx.sandbox_id).commands.run("cat a.txt").stdout == "by TLS"
    assert sbx.sandbox_id in [s.sandbox_id for s in Sandbox.list().next_items()]
finally:
    sbx.kill()
assert not sbx.is_running()
print("all is well")
