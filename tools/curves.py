"""Learning curves from the logs that tools/train.py writes."""

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator


def draw_curves(logs: dict[str, Path], out: Path) -> None:
    """Dice, AUC and Dice of all bodies on validation, over the pictures seen, as one PNG."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4))
    for name, log in logs.items():
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        for axis, key in zip(axes, ("dice", "auc", "bodies"), strict=True):
            axis.plot([r["seen"] for r in rows], [r[key] for r in rows], ".-", label=name)
            axis.xaxis.set_major_locator(MaxNLocator(4))
            axis.set(title=f"{key}, validation", xlabel="pictures seen", ylim=(0, 1))
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    plt.close(figure)
