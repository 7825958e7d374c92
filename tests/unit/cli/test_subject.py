"""Which finger images the demo lays, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from enrollment.cli.demo.subject import Control, ControlFailed, find_impressions


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_finger_impression_names_give_fingers_with_their_impressions_in_order(tmp_path: Path) -> None:
    make(tmp_path, *(f"{finger}_{number}.tif" for finger in range(101, 113) for number in (10, 2, 1)), "README")
    found = find_impressions(tmp_path).files
    assert [files[0].name for files in found] == [f"{finger}_1.tif" for finger in range(101, 111)]
    assert [path.name for path in found[0]] == ["101_1.tif", "101_2.tif", "101_10.tif"]


def test_other_names_give_the_first_ten_files_one_a_finger(tmp_path: Path) -> None:
    make(tmp_path, *(f"print{number}.png" for number in range(12)), "notes.txt")
    found = find_impressions(tmp_path).files
    assert [files[0].name for files in found] == [f"print{number}.png" for number in range(10)]
    assert {len(files) for files in found} == {1}


def test_folder_without_images_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        find_impressions(make(tmp_path, "notes.txt"))


def test_control_port_that_nobody_serves_is_a_typed_failure() -> None:
    with pytest.raises(ControlFailed, match="DELETE /platen"):
        Control("http://127.0.0.1:9").send("DELETE", "/platen")
