"""Plots the samples of a long soak: `python -m bench.soak_picture samples.json soak.png --title "On Azurite"`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.soak_samples import Sample, read

_PANELS = (
    ("memory", "memory (MB)"),
    ("descriptors", "open descriptors"),
    ("queues", "messages in queues"),
    ("tables", "rows in tables"),
    ("files", "other storage"),
)

_LOWEST_TOP = 10.0
"""A queue that holds two messages now and then is not drawn as mountains."""


def draw(samples: Sequence[Sample], path: Path, title: str) -> None:
    """Write a PNG with one panel for each kind of value."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(_PANELS), 1, sharex=True, figsize=(10, 10), layout="constrained")
    for panel, (kind, label) in zip(axes, _PANELS, strict=True):
        measured = [one for one in samples if getattr(one, kind)]
        minutes = [one.second / 60 for one in measured]
        for name in getattr(samples[0], kind):
            panel.plot(minutes, [getattr(one, kind)[name] for one in measured], label=name, linewidth=1.2)
        panel.set_ylabel(label)
        panel.set_ylim(0, max(_LOWEST_TOP, panel.get_ylim()[1]))
        panel.grid(alpha=0.3)
        panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", frameon=False)
    axes[-1].set_xlabel("minutes")
    figure.suptitle(f"{title}: {samples[-1].ended} runs")
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.soak_picture", description=__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--title", default="Soak")
    options = parser.parse_args()
    draw(read(options.samples), options.picture, options.title)


if __name__ == "__main__":
    main()
