"""What a reply has told, kept small: whatever place is asked for, it reads as a list of frames would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.chat import events
from application.chat.log import PACK, Log
from domain.conversation import MessageId, SessionId

REPLY = MessageId(9)
END = events.complete(SessionId(1), REPLY, "…", interrupted=False)


def logged(told: list[bytes]) -> Log:
    log = Log(REPLY)
    for event in told:
        log.append(event)
    return log


@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3), max_size=4 * PACK
    ),
    ends=st.booleans(),
    first=st.integers(0, 5 * PACK),
    length=st.integers(0, 3 * PACK),
)
def test_reads_like_a_list_of_frames(texts: list[str], ends: bool, first: int, length: int) -> None:
    told = [events.chunks(text)[0] for text in texts] + [END] * ends
    log, frames = logged(told), events.frames(REPLY, 0, *told)
    assert len(log) == len(frames)
    assert log[first : first + length] == frames[first : first + length]
    assert log[first:] == frames[first:]
    assert log.text == "".join(texts)


@pytest.mark.parametrize("n", [1, PACK, 2 * PACK - 1, 2 * PACK, 5 * PACK + 3])
def test_reads_one_by_one(n: int) -> None:
    told = [events.chunks(f"{i} ")[0] for i in range(n)]
    log, frames = logged(told), events.frames(REPLY, 0, *told)
    assert list(log) == frames
    assert (log[-1], log[-n]) == (frames[-1], frames[0])
    for place in (n, -n - 1):
        with pytest.raises(IndexError):
            log[place]
