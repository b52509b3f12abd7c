"""The sweep in a running installation: planned by itself, done as a job (DU-13)."""

import os
import time
from pathlib import Path
from uuid import uuid4

from tests.conftest import Valkey
from tests.integration.house import House, a_house
from tests.integration.waiting import until

DUE = (
    "UPDATE job SET run_at = '2025-11-18 10:30:45', dedup_key = 'sweep:of long ago:' || id"
    " WHERE kind = 'sweep_orphans' AND state = 'waiting'"
)
PLANNED = "SELECT payload FROM job WHERE kind = 'sweep_orphans' AND state = 'waiting'"


def an_old_file(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"left behind")
    os.utime(path, times=(time.time() - 90_000,) * 2)
    return path


async def found(house: House, name: str) -> bool:
    return await house.sql(PLANNED) == [(f'{{"suspects":["{name}"]}}',)]


async def test_what_a_crash_has_left_is_gone_after_the_next_sweep(house: House, tmp_path: Path) -> None:
    ann = await house.user()
    notes = tmp_path / "notes.txt"
    notes.write_bytes(b"Osmosis moves water.")
    file = (await ann.upload(notes)).json()["file_id"]
    name = uuid4().hex
    folder = house.settings.upload_dir / name[:2]
    orphan, half = an_old_file(folder / name), an_old_file(folder / f".{name}.0a1b2c3d.part")

    async def swept() -> bool:
        """The next sweep, too: the first one only passes on what it has found."""
        await house.sql(DUE)
        return not orphan.exists()

    assert await house.sql(PLANNED) == [("{}",)]
    await house.sql(DUE)
    await until(lambda: found(house, name), 20)
    assert orphan.exists()
    assert not half.exists()
    await until(swept, 20)
    assert (await ann.get(f"/api/files/{file}")).content == b"Osmosis moves water."


async def test_where_it_is_switched_off_no_sweep_is_planned(tmp_path: Path, valkey: Valkey) -> None:
    async with a_house(tmp_path, REDIS_URL=valkey.url, SWEEP_ORPHANS="off") as house:
        await house.user()
        assert await house.sql(PLANNED) == []
