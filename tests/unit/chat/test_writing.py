from application.chat.writing import written
from application.ports.language_model import Prompt
from domain.conversation import MemoryId
from domain.user import UserId
from tests.fakes.language_model import FakeLanguageModel


async def test_a_character_that_came_in_halves_is_one_and_what_is_none_is_replaced() -> None:
    prompt = Prompt(user=UserId(1), memory=MemoryId(1), system="", input="A title?")
    model = FakeLanguageModel("\ud83d", "\ude00 Osmosis\0", "\ud83d ")
    assert await written(model, prompt, 100) == "\U0001f600 Osmosis\ufffd\ufffd"
