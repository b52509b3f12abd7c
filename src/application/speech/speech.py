"""What an avatar is given of an answer, segment by segment, while the answer comes."""

from dataclasses import dataclass, field

from application.speech.segments import Segment, Segments
from application.speech.speakable import Speakable


@dataclass(slots=True)
class Speech:
    """Takes an answer in pieces and gives its segments, the same however it was cut.

    A segment's `end` is how much of the answer is told once it was spoken. Behind the last one there is
    nothing to be said: who heard it has heard the whole answer."""

    _speakable: Speakable = field(default_factory=Speakable)
    _segments: Segments = field(default_factory=Segments)
    _length: int = 0

    def feed(self, piece: str) -> list[Segment]:
        self._length += len(piece)
        return self._segments.feed(self._speakable.feed(piece))

    def end(self) -> list[Segment]:
        found = self._segments.feed(self._speakable.end())
        rest = self._segments.end(self._length)
        if found and not rest:
            found[-1] = Segment(found[-1].text, self._length)
        return found + rest
