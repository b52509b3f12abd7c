"""How much of a conversation a model hears again that does not remember it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from application.ports.persistence import Context
from domain.conversation import MessageId, Speaker

MOST_MESSAGES = 60  # looked at for one question; who says less than that in all gets no summary
SPEAKER_TOKENS = 4  # what a model's template puts around each message
GAP = "\n…\n"


def tokens(text: str) -> int:
    """An estimate on the safe side for most models: four ASCII characters a token, any other character one
    (a Chinese character is about one; accented letters cost less)."""
    ascii_ones = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    return -(-ascii_ones // 4) + len(text) - ascii_ones


def clipped(text: str, most: int) -> str:
    """The text in at most that many tokens: its beginning and its end, two to one."""
    cost = tokens(text)
    if cost <= most:
        return text
    size = len(text) * most // cost  # about right
    while (kept := size - len(GAP)) > 0:
        cut = text[: kept - kept // 3] + GAP + text[len(text) - kept // 3 :]
        if tokens(cut) <= most:
            return cut
        size = size * 9 // 10
    return ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer: they are recalled together or not at all."""

    question: str
    answer: str
    upto: MessageId  # the answer's number

    @property
    def cost(self) -> int:
        return tokens(self.question) + tokens(self.answer) + 2 * SPEAKER_TOKENS

    def within(self, most: int) -> "Exchange":
        """The same, its texts clipped where it is longer than that."""
        if self.cost <= most:
            return self
        room = max(0, most - 2 * SPEAKER_TOKENS)
        question = clipped(self.question, room // 3)
        return replace(self, question=question, answer=clipped(self.answer, room - tokens(question)))


@dataclass(frozen=True, slots=True)
class Budget:
    """In tokens: `turns` for what was said before; `window` is all that the smallest model can hold, `answer`
    what it needs of that for its own words."""

    turns: int
    window: int | None = None
    answer: int = 512

    def room(self, *texts: str) -> int:
        """What is left for earlier turns beside these texts."""
        if self.window is None:
            return self.turns
        taken = sum(tokens(text) + SPEAKER_TOKENS for text in texts)
        return max(0, min(self.turns, self.window - self.answer - taken))


def untold(context: Context) -> list[Exchange]:
    """What the summary does not tell, oldest first. A question that nobody has answered is left out: many
    models insist that question and answer alternate."""
    found: list[Exchange] = []
    question: str | None = None
    for told in context.turns:
        if context.summary_upto is not None and told.id <= context.summary_upto:
            continue
        if told.speaker is Speaker.USER:
            question = told.text
        elif question is not None:
            found.append(Exchange(question, told.text, told.id))
            question = None
    return found


def newest(exchanges: Sequence[Exchange], room: int) -> list[Exchange]:
    """As many of the last ones as there is room for; one that would take more than half of it is clipped."""
    kept: list[Exchange] = []
    half = room // 2
    for exchange in reversed(exchanges):
        short = exchange.within(half)
        if short.cost > room or not (short.question and short.answer):
            break
        room -= short.cost
        kept.append(short)
    return kept[::-1]


def overflows(context: Context, budget: Budget) -> bool:
    """Whether something falls out in front that no summary tells."""
    if not budget.turns:
        return False
    exchanges = untold(context)
    return _goes_further_back(context) or len(newest(exchanges, budget.turns)) < len(exchanges)


def _goes_further_back(context: Context) -> bool:
    upto = context.summary_upto or 0
    return len(context.turns) >= MOST_MESSAGES and context.turns[0].id > upto


def to_summarise(context: Context, budget: Budget) -> list[Exchange]:
    """What the next summary should take in: the older half, so that not every question needs a new one."""
    exchanges = untold(context)
    kept = min(len(newest(exchanges, budget.turns // 2)), MOST_MESSAGES // 4)
    return exchanges[: len(exchanges) - max(1, kept)]
