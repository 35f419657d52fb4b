"""Evaluate the final network on the test split, and write metrics, plots and the report.

Reads   models/model.keras, data/features/test/, data/features/columns.parquet, data/raw/, results/history.csv,
        results/holdout.parquet
Writes  models/threshold.json, results/metrics.json, results/predictions.parquet, results/slices.csv,
        results/plots/, results/figures/, results/report.html, results/try.html
"""

from stages import console, params
from stages.contracts import features, model, reviews
from stages.inference import network


def main() -> None:
    """Run the stage."""
    settings = params.load()
    # Here, because scikit-learn and Matplotlib take time to import.
    from stages.evaluate import bootstrap, charts, examples, metrics, report, results, slices, threshold, try_page
    from stages.evaluate.figures import png
    from stages.evaluate.predictions import predict

    source, columns, history = reviews.read_source(), features.read_columns(), model.read_history()
    details = reviews.read_details("test")
    sentiment = network.read(columns)
    above = threshold.choose(settings.evaluate.threshold)
    predictions = predict(sentiment, above)

    values = metrics.measure(predictions)
    intervals = bootstrap.intervals(predictions, values)
    table = slices.table(predictions, columns.num_word_columns, details)
    summary = metrics.summary(source, len(columns.words), history, above, values, intervals, slices.worst(table))
    for name, value in values.items():
        console.say(f"test {name:26} {value:.4f}  ({intervals[name].low:.4f} to {intervals[name].high:.4f})")
    console.say(
        f"{source.name}, {len(predictions):,} rows; in brackets 95 % bootstrap intervals; threshold {above:.4g}"
    )

    test_charts = charts.of_test(predictions)
    main_charts, by_slice = [*charts.of_run(history), *test_charts], charts.of_slices(table, values["binary_accuracy"])

    model.write_threshold(above)
    results.write_predictions(predictions, details)
    results.write_slices(table)
    results.write_metrics(summary)
    results.write_plots({chart.name: chart.table for chart in test_charts})
    results.write_figures({chart.name: png(chart, source.name) for chart in [*main_charts, by_slice]})
    console.say(f"-> {results.METRICS}, {results.PREDICTIONS}, {results.SLICES}, {results.PLOTS}, {results.FIGURES}")

    shown = examples.find_examples(sentiment, predictions, details)
    top_words = examples.find_top_words(sentiment)
    page = report.render(summary, settings.model_dump(), source.tokenizer, main_charts, by_slice, top_words, shown)
    results.write_page(results.REPORT, page)
    results.write_page(results.TRY_PAGE, try_page.render(sentiment, columns, source.name, above))
    console.say(f"-> {results.REPORT}, {results.TRY_PAGE}: open them in a browser")


if __name__ == "__main__":
    console.run(main, __doc__)
