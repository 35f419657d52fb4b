"""Fit a network with a hold-out and record each epoch, then fit a new network on all training rows.

Reads   data/features/train/, data/features/columns.parquet
Writes  results/history.csv (the hold-out run), results/progress.json (its last epoch), results/holdout.parquet (its
        predictions after as many epochs as the final network has, or after its last epoch if it has fewer),
        models/model.keras (the final network), models/columns.parquet, models/serving/ (the final network as a model
        that takes texts)
"""

import sys
from typing import TYPE_CHECKING

from stages import console, params
from stages.contracts import features, model
from stages.params import Train

if TYPE_CHECKING:
    import pandas as pd


def main() -> None:
    """Run the stage."""
    settings = params.load().train
    from stages.train import loop, network, rows, serving, weighting  # here, because importing TensorFlow takes seconds

    training = rows.split_rows("train")
    holdout, rest = rows.hold_out(training, settings.holdout_rows)
    columns = features.read_columns()
    trainer = loop.Trainer(network.build(len(columns.words), settings), settings)

    def after_epoch(history: "pd.DataFrame") -> None:
        """Write the epochs so far, so that DVC shows how far the run is.

        Write the predictions for the hold-out as well if this is the last epoch of the final network or, with `best`,
        if it is the best one so far.
        """
        model.write_history(history)
        model.write_progress(history)
        if len(history) == min(_final_epochs(settings), settings.holdout_epochs):
            model.write_holdout(*trainer.predict(holdout))

    console.say(f"hold-out run: {rows.num_rows(rest):,} rows, validated on {rows.num_rows(holdout):,}")
    if settings.weighting:
        weighting.adapt(trainer.network, rest)
    trainer.fit(rest, settings.holdout_epochs, holdout, after_epoch)
    if model.best_epoch(model.read_history()) == settings.holdout_epochs:
        console.say("the validation loss was lowest in the last epoch: more train.holdout_epochs may lower it further")

    epochs = _final_epochs(settings)
    console.say(f"final network: {rows.num_rows(training):,} rows, epochs: {epochs}")
    trainer.reset()
    if settings.weighting:
        weighting.adapt(trainer.network, training)
    trainer.fit(training, epochs)
    model.write_model(trainer.network, columns)
    model.write_model_columns(columns)
    model.write_serving(serving.saved_model(trainer.network, columns))
    console.say(f"-> {model.HISTORY}, {model.HOLDOUT}, {model.MODEL}, {model.MODEL_COLUMNS}, {model.SERVING}")


def _final_epochs(settings: Train) -> int:
    """Return the number of epochs of the final network. `best` is the best epoch of history.csv, as in the report."""
    return model.best_epoch(model.read_history()) if settings.epochs == "best" else settings.epochs


if __name__ == "__main__":
    # Keras imports these packages if it finds them, which takes as long as a quarter of its own import.
    sys.modules |= dict.fromkeys(("matplotlib", "sklearn"))  # type: ignore[arg-type]
    console.run(main, __doc__)
