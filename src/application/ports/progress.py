from collections.abc import Callable

Progress = Callable[[int, int], None]  # told on the event loop: so many parts (pages) of so many are done


def untold(done: int, total: int) -> None:
    """Nobody wants to know."""
