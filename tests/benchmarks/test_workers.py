"""The page with made-up figures."""

from benchmarks import workers


def test_the_page_compares_within_a_round() -> None:
    seconds = {"keras, one process": [10.0, 20.0, 40.0], "keras, all cores": [6.0, 10.0, 30.0], "other": [1.0] * 3}
    page = workers.page("a machine", 1_000, 3, seconds, dict.fromkeys(seconds, 5_000_000))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()]
    assert ["keras, all cores", "10.0 (6.0-30.0)", "5"] in rows
    assert ["keras, all cores / keras, one process", "0.60 (0.50-0.75)"] in rows
    assert "predict" not in "".join(row[0] for row in rows[8:])
