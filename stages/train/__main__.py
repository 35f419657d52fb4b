"""Fit on a hold-out split and record every epoch, then fit a fresh network on all training rows.

Reads   data/features/train/, data/features/columns.parquet
Writes  results/history.csv (the hold-out run), models/model.keras (the final network), models/columns.parquet,
        models/serving/ (the final network as a model that takes text)
"""

from stages import artifacts, console, params


def main() -> None:
    """Run the stage."""
    settings = params.load().train
    from stages.train import loop, network, rows, serving  # here, because TensorFlow takes seconds to import

    training = rows.of("train")
    holdout, rest = rows.hold_out(training, settings.holdout_rows)
    columns = artifacts.read_columns()
    trainer = loop.Trainer(network.build(len(columns.words), settings), settings)

    console.say(f"hold-out run: {rows.count(rest):,} rows, validated on {rows.count(holdout):,}")
    logs = trainer.fit(rest, settings.holdout_epochs, holdout)
    history = [artifacts.Epoch(number, **values) for number, values in enumerate(logs, start=1)]
    artifacts.write_history(history)

    epochs = loop.best(artifacts.read_history()).epoch if settings.epochs == "best" else settings.epochs
    console.say(f"final network: {rows.count(training):,} rows, {epochs} epochs")
    trainer.reset()
    trainer.fit(training, epochs)
    artifacts.write_model(trainer.network, columns)
    artifacts.write_model_columns(columns)
    artifacts.write_serving(serving.saved_model(trainer.network, columns))
    console.say(f"-> {artifacts.HISTORY}, {artifacts.MODEL}, {artifacts.MODEL_COLUMNS}, {artifacts.SERVING}")


if __name__ == "__main__":
    console.run(main, __doc__)
