"""Process of a loop, which dies with the server: python -m service.engine.child SERVER_PID VERB key=value ...

It binds itself to the server, which is safe in one with threads as code between fork and exec is not.
"""

import os
import signal
import sys

from controller.engine.workers.server import die_with_parent
from controller.main import run


def main() -> None:
    server, words = int(sys.argv[1]), sys.argv[2:]
    die_with_parent()
    if os.getppid() != server:  # it died before that took effect
        os._exit(1)
    # A server that a script has put into the background ignores Ctrl-C, and its children with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(words))


if __name__ == "__main__":
    main()
