"""Judge the final network on the test split, draw that and the hold-out run, and report it all on one page.

Reads   models/model.keras, data/features/test/, data/features/columns.parquet, data/raw/, results/history.csv
Writes  results/metrics.json, results/predictions.parquet, results/plots/, results/figures/, results/report.html
"""

from stages import artifacts, console, params


def main() -> None:
    """Run the stage."""
    settings = params.load().model_dump()
    # Here, because TensorFlow takes seconds to import.
    from stages.evaluate import bootstrap, charts, figures, metrics, report, reviews
    from stages.train import loop, network, rows

    source, columns, history = artifacts.read_source(), artifacts.read_columns(), artifacts.read_history()
    model = artifacts.read_model(columns)
    labels, probabilities = loop.predict(model, rows.of("test"))
    artifacts.write_predictions(labels, probabilities)

    loss = network.losses(model, labels, probabilities)
    values = metrics.figures(loss, labels, probabilities)
    intervals = bootstrap.intervals(loss, labels, probabilities, values)
    numbers = metrics.summary(source, len(columns.words), history, values, intervals)
    artifacts.write_metrics(numbers)
    for name, value in values.items():
        console.say(f"test {name:26} {value:.4f}  ({intervals[name].low:.4f} to {intervals[name].high:.4f})")
    console.say(f"{source.name}, {len(labels):,} rows; in brackets 95 % bootstrap intervals")

    run, test = charts.of_run(history), charts.of_test(labels, probabilities)
    artifacts.write_plots({chart.name: (chart.columns, chart.rows) for chart in test})
    artifacts.write_figures({chart.name: figures.png(chart, source.name) for chart in run + test})
    drawings = [report.drawing(chart, figures.svg(chart)) for chart in run + test]
    told = reviews.worth_reading(model, labels, probabilities)
    artifacts.write_report(report.render(numbers, settings, drawings, reviews.hardest(model), told))
    console.say(f"-> {artifacts.METRICS}, {artifacts.PREDICTIONS}, {artifacts.PLOTS}, {artifacts.FIGURES}")
    console.say(f"-> {artifacts.REPORT}: open it in a browser")


if __name__ == "__main__":
    console.run(main, __doc__)
