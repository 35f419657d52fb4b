"""A fallback to another source is reported, and metrics of two sources are not compared."""

from pathlib import Path

import pytest

from tests.pipeline.conftest import Clone


@pytest.mark.slow
def test_a_fallback_is_reported_and_the_first_source_is_tried_again(clone: Clone, tmp_path: Path) -> None:
    def make_repro() -> str:
        offline = {"IMDB_MIRROR": "no/such/folder", "HTTPS_PROXY": "http://127.0.0.1:9"}
        return clone.make("repro", check=True, **offline, KERAS_HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path)).stdout

    clone.set({"data": {"sources": ["imdb", "synthetic"]}})
    for _ in range(2):
        printed = make_repro()
        assert "Running stage 'download'" in printed
        assert "Running stage 'train'" not in printed
        assert "imdb was not available" in printed.splitlines()[-2]
    clone.set({"data": {"sources": ["synthetic"]}})
    assert "not available" not in make_repro()


def test_metrics_of_two_sources_are_not_compared(clone: Clone) -> None:
    def summary() -> str:
        return clone.run("python", "-m", "checks.sources", "--md", "HEAD").stdout

    metrics = clone.folder / "results" / "metrics.json"
    metrics.write_text(clone.read("results/metrics.json").replace('"best_epoch": ', '"best_epoch": 1'))
    assert "| HEAD" in summary()
    metrics.write_text(clone.read("results/metrics.json").replace('"synthetic"', '"imdb"'))
    shown = summary()
    assert "not compared" in shown
    assert "| HEAD" not in shown
    assert "binary_accuracy" in shown
