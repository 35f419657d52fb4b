"""Judge the final network on the test split, and draw the hold-out run.

Reads   models/model.keras, data/features/test/, data/raw/source.json, results/history.csv
Writes  results/metrics.json, results/predictions.parquet, results/figures/
"""

from stages import artifacts, console


def main() -> None:
    """Run the stage."""
    from stages.evaluate import figures, metrics  # here, because TensorFlow takes seconds to import
    from stages.train import loop, rows

    source, history = artifacts.read_source(), artifacts.read_history()
    network, test = artifacts.read_model(), rows.of("test")
    labels, probabilities = loop.predict(network, test)
    numbers = metrics.summary(source, history, loop.evaluate(network, test))
    artifacts.write_predictions(labels, probabilities)
    artifacts.write_metrics(numbers)
    with artifacts.replacing(artifacts.FIGURES) as folder:
        folder.mkdir()
        figures.curves(folder, history, source.name)
    console.say(
        f"test: loss {numbers['test']['loss']:.4f}, binary accuracy {numbers['test']['binary_accuracy']:.4f} "
        f"({source.name}, {len(labels):,} rows)\n-> {artifacts.METRICS}, {artifacts.PREDICTIONS}, {artifacts.FIGURES}"
    )


if __name__ == "__main__":
    console.run(main, __doc__)
