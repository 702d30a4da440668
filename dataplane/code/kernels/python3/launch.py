"""launch.py -f CONNECTION_FILE - ipykernel as the code interpreter wants it."""
import sys

import coppice_kernel  # noqa: F401

# What a user imports is found as in any Python; a package knows its own place.
sys.path.pop(0)


def settings():
    from traitlets.config import Config

    c = Config()
    c.Application.log_level = "ERROR"
    c.InteractiveShell.colors = "NoColor"
    c.PlainTextFormatter.max_seq_length = 0
    # A file in the home directory that nobody reads.
    c.HistoryManager.enabled = False
    return c


def kernel_app():
    """Without what nobody can ask for here, at a third of the time and memory."""
    unused = ("debugpy", "jedi")
    sys.modules.update(dict.fromkeys(unused))
    try:
        from ipykernel.kernelapp import IPKernelApp
    finally:
        for name in unused:
            del sys.modules[name]
    return IPKernelApp


def main():
    IPKernelApp = kernel_app()
    from coppice_kernel import display

    app = IPKernelApp.instance(config=settings())
    app.initialize(sys.argv[1:])
    display.install(app.shell)
    app.start()


if __name__ == "__main__":
    main()
