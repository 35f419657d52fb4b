"""Judge the final network on the test split, and draw that and the hold-out run.

Reads   models/model.keras, data/features/test/, data/raw/source.json, results/history.csv
Writes  results/metrics.json, results/predictions.parquet, results/plots/, results/figures/
"""

from stages import artifacts, console


def main() -> None:
    """Run the stage."""
    from stages.evaluate import bootstrap, charts, figures, metrics  # here, because TensorFlow takes seconds to import
    from stages.train import loop, rows

    source, history = artifacts.read_source(), artifacts.read_history()
    network = artifacts.read_model()
    labels, probabilities = loop.predict(network, rows.of("test"))
    artifacts.write_predictions(labels, probabilities)

    loss = metrics.losses(network, labels, probabilities)
    values = metrics.figures(loss, labels, probabilities)
    intervals = bootstrap.intervals(loss, labels, probabilities, values)
    artifacts.write_metrics(metrics.summary(source, network.input_shape[1], history, values, intervals))
    for name, value in values.items():
        console.say(f"test {name:26} {value:.4f}  ({intervals[name].low:.4f} to {intervals[name].high:.4f})")
    console.say(f"{source.name}, {len(labels):,} rows; in brackets 95 % bootstrap intervals")

    run, test = charts.of_run(history), charts.of_test(labels, probabilities)
    with artifacts.replacing(artifacts.PLOTS) as folder:
        folder.mkdir()
        for chart in test:
            artifacts.write_plot(folder, chart.name, chart.columns, chart.rows)
    with artifacts.replacing(artifacts.FIGURES) as folder:
        folder.mkdir()
        for chart in run + test:
            figures.png(chart, source.name, folder / f"{chart.name}.png")
    console.say(f"-> {artifacts.METRICS}, {artifacts.PREDICTIONS}, {artifacts.PLOTS}, {artifacts.FIGURES}")


if __name__ == "__main__":
    console.run(main, __doc__)
