"""Our own Avatar Manager with stand-ins for its instances: `python -m tests.servers.avatar_pool`, with the
arguments of the real one."""

import sys

from entrypoints.children.avatar_manager import PYTHON, main

if __name__ == "__main__":
    sys.exit(main(instance=(*PYTHON, "tests.servers.avatar_stand_in")))
