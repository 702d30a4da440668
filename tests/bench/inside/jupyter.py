"""inside/jupyter.py - run_code's peer: a bare ipykernel, driven by
jupyter_client in the same sandbox.  Prints medians in milliseconds: the first
execution of a kernel that has just come up, and later ones."""
import json
import statistics
import time

from jupyter_client.manager import start_new_kernel


def run(client, code):
    t0 = time.monotonic()
    asked = client.execute(code)
    while True:
        m = client.get_iopub_msg(timeout=30)
        if m["parent_header"].get("msg_id") == asked and m["content"].get("execution_state") == "idle":
            return (time.monotonic() - t0) * 1e3


first, later = [], []
for _ in range(5):
    manager, client = start_new_kernel(kernel_name="python3")
    first.append(run(client, "print(1 + 1)"))
    later += [run(client, "6 * 7") for _ in range(50)]
    client.stop_channels()
    manager.shutdown_kernel(now=True)
print(json.dumps({"first": statistics.median(first), "next": statistics.median(later)}))
