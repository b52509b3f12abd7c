"""The sweep in a running installation: planned by itself, done as a job (DU-13)."""

import os
import time
from pathlib import Path
from uuid import uuid4

from tests.integration.house import House
from tests.integration.waiting import until

DUE = "UPDATE job SET run_at = '2025-11-18 10:30:45' WHERE kind = 'sweep_orphans' AND state = 'waiting'"
LEFT = "SELECT count(*) FROM job WHERE kind = 'sweep_orphans' AND state IN ('waiting', 'running')"


def an_old_file(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"left behind")
    os.utime(path, times=(time.time() - 90_000,) * 2)
    return path


async def test_what_a_crash_has_left_is_gone_after_the_next_sweep(house: House, tmp_path: Path) -> None:
    ann = await house.user()
    notes = tmp_path / "notes.txt"
    notes.write_bytes(b"Osmosis moves water.")
    file = (await ann.upload(notes)).json()["file_id"]
    name = uuid4().hex
    folder = house.settings.upload_dir / name[:2]
    orphan, half = an_old_file(folder / name), an_old_file(folder / f".{name}.0a1b2c3d.part")

    assert await house.sql(LEFT) == [(1,)]
    await house.sql(DUE)

    async def done() -> bool:
        return await house.sql(LEFT) == [(0,)]

    await until(done, 20)

    assert not orphan.exists()
    assert not half.exists()
    assert (await ann.get(f"/api/files/{file}")).content == b"Osmosis moves water."
