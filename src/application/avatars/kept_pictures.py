from collections import OrderedDict
from collections.abc import Callable

from application.ports.avatar_catalogue import Picture
from domain.avatar import AvatarName


class KeptPictures:
    """Previews of one edition of the catalogue, for ten minutes each; those that were not looked at for
    longest make room when there are too many bytes."""

    def __init__(
        self, clock: Callable[[], float], *, life_s: float = 600.0, most_bytes: int = 32 * 1024 * 1024
    ) -> None:
        self._clock = clock
        self._life_s = life_s
        self._most_bytes = most_bytes
        self._edition = 0
        self._kept: OrderedDict[AvatarName, tuple[float, Picture]] = OrderedDict()
        self._bytes = 0

    def get(self, edition: int, name: AvatarName) -> Picture | None:
        until, picture = self._kept.get(name, (0.0, None))
        if picture is None or edition != self._edition:
            return None
        if until <= self._clock():
            self._drop(name)
            return None
        self._kept.move_to_end(name)
        return picture

    def put(self, edition: int, name: AvatarName, picture: Picture) -> None:
        if edition != self._edition:
            self._kept.clear()
            self._edition, self._bytes = edition, 0
        self._drop(name)
        self._kept[name] = self._clock() + self._life_s, picture
        self._bytes += len(picture.content)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, name: AvatarName) -> None:
        _, picture = self._kept.pop(name, (0.0, None))
        self._bytes -= len(picture.content) if picture else 0
