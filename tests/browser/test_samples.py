"""What docs/streaming.md shows is what the pages run."""

import re
from pathlib import Path

from tests.browser.tabs import PAGES

GUIDE = Path(__file__).parents[2] / "docs" / "streaming.md"


def test_the_guide_shows_what_is_tested() -> None:
    shown = re.findall(r"```js\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert shown == [(PAGES / name).read_text("utf-8") for name in ("by_fetch.js", "by_event_source.js")]
