"""The R kernel: Debian's IRkernel by our kernelspec."""
import json
import os

from jupyter_client import KernelManager
from lines import KERNELS, Cell, case, finish, missing, same

missing("/usr/bin/R", "r-base-core")
missing("/usr/lib/R/site-library/IRkernel", "r-cran-irkernel")
with open(KERNELS + "/ir/kernel.json") as f:
    spec = json.load(f)
os.makedirs("/tmp/ipc", mode=0o700, exist_ok=True)
os.environ.update(spec.get("env", {}))
manager = KernelManager(transport="ipc", ip="/tmp/ipc/r")
manager.kernel_spec.argv = spec["argv"]
manager.start_kernel(cwd="/home/user")
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)


def run(code):
    out = []
    client.execute_interactive(code, allow_stdin=False, timeout=60,
                               output_hook=lambda m: out.append((m["msg_type"], m["content"])))
    return Cell(out)


@case("prints are R's, values are display data")
def _():
    same(run('print("Hello, World!")').out, '[1] "Hello, World!"\n')
    c = run("x <- 2; x + 1")
    same((c.text, c.all("display_data")[0]["data"]["text/plain"]), (None, "[1] 3"))
    same(run("getwd()").all("display_data")[0]["data"]["text/plain"], '[1] "/home/user"')
    same(run("stop('no')").error[0], "ERROR")


client.stop_channels()
manager.shutdown_kernel(now=True)
finish()
