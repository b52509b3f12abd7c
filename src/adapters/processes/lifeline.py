"""For processes that others fork, such as the server's workers."""

import multiprocessing
import os

from adapters.processes.tether import ask_for_sigterm_at_death_of


def die_with_parent() -> None:
    """Be told by SIGTERM when the parent process dies, also when it was killed hard or is dead already."""
    parent = multiprocessing.parent_process()
    ask_for_sigterm_at_death_of(parent.pid if parent and parent.pid else os.getppid())
