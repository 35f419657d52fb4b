"""The figures: training as dots, validation as a line, epoch by epoch."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stages.artifacts import Epoch
from stages.train.loop import best

_BLUE, _GREY = "#1f5fa8", "#8a8a8a"


def curves(folder: Path, history: Sequence[Epoch], source: str) -> None:
    """Write loss.png and binary_accuracy.png, 1200 x 750 pixels, to an existing folder."""
    for quantity, name in (("loss", "Loss"), ("binary_accuracy", "Binary accuracy")):
        figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
        _curve(figure.subplots(), history, quantity)
        figure.suptitle(f"{name} on training and validation rows ({source})")
        figure.savefig(folder / f"{quantity}.png")


def _curve(axes: Axes, history: Sequence[Epoch], quantity: str) -> None:
    epochs = [record.epoch for record in history]
    validation = [getattr(record, f"val_{quantity}") for record in history]
    at_best = best(history)
    axes.plot(epochs, [getattr(record, quantity) for record in history], "o", color=_BLUE, label="training")
    axes.plot(epochs, validation, "-", color=_BLUE, label="validation")
    axes.axvline(at_best.epoch, color=_GREY, linestyle=":", label=f"lowest validation loss: epoch {at_best.epoch}")
    axes.set_xlabel("Epoch")
    axes.set_ylabel(quantity.replace("_", " ").capitalize())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
