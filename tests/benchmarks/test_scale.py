"""Run a tiny size through the stages that start quickly, and write the page with made-up figures."""

from pathlib import Path

from benchmarks import measure, scale
from tests.conftest import all_features


def test_stages_do_their_work_under_the_clocks(folder: Path) -> None:
    scale.write_params(folder, 300)
    for stage in ("download", "vectorize"):
        measured = measure.module("benchmarks.stage_times", stage, folder=folder)
        seconds = measured.figures()
        assert min(seconds["import"], seconds["compute"], seconds["write"]) > 0
        assert sum(seconds.values()) < measured.seconds
    assert len(all_features("train")) == 300
    assert len(all_features("test")) == scale.TEST_ROWS


def figures(rows: int, micros: float) -> dict[str, float]:
    return {"rows": rows, **dict.fromkeys(scale.STAGES, micros), **{f"{each} memory": 512.0 for each in scale.STAGES}}


def test_the_page_compares_with_the_first_size(tmp_path: Path) -> None:
    sizes = [figures(1_000, 10), figures(64_000, 12.5)]
    row = next(line for line in scale.page("a machine", sizes).splitlines() if "64,000" in line)
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["64,000", *["12.5, 1.25x"] * 3, *["512"] * 3]
    scale.plot(sizes, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")
