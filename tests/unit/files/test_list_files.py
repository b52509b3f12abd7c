from tests.unit.files.desk import ANN, BEN, TEXT, Desk


async def sizes(desk: Desk) -> list[int]:
    return [line.size for line in (await desk.list_files(ANN, 10, 0)).items]


async def test_are_ones_own_newest_first(desk: Desk) -> None:
    for name, user in (("a.txt", ANN), ("b.txt", BEN), ("c.txt", ANN)):
        await desk.upload(name, user=user)
    await desk.add("d.txt", user=ANN)
    listed = await desk.list_files(ANN, 2, 0)
    assert (listed.total, [line.filename for line in listed.items]) == (3, ["d.txt", "c.txt"])


async def test_whose_bytes_are_gone_are_empty(desk: Desk) -> None:
    lost = (await desk.upload()).file
    await desk.upload()
    del desk.blobs.kept[lost.disk_name]
    assert await sizes(desk) == [len(TEXT), 0]


async def test_are_listed_while_the_store_is_away(desk: Desk) -> None:
    await desk.upload()
    desk.blobs.away = True
    assert await sizes(desk) == [len(TEXT)]
