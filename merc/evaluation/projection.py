"""Where the model's hidden states lie at the place at which it answers, on the plane that shows most of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from merc.components import Prediction
from merc.evaluation.metrics import UNSPLIT
from merc.files import damaged, whole_file

FILE = "states.safetensors"
WIDTH, HEIGHT, EDGE = 440, 330, 12
MOST_POINTS = 3000

States = npt.NDArray[np.float32]
"""One hidden state an utterance ``[n, hidden]``, in the order of the split's predictions."""

StatesById = dict[str, npt.NDArray[np.float32]]
"""The hidden state ``[hidden]`` of each utterance, by its id."""


@dataclass(frozen=True)
class Projection:
    """A drawing of one split's states: ``explained`` is the share of their variance that the two directions hold, and
    ``drawn`` of ``count`` points are drawn."""

    svg: Markup
    explained: tuple[float, float]
    labels: Sequence[str]
    drawn: int
    count: int


def write_states(run: Path, predictions: Sequence[Prediction], states: StatesById) -> None:
    """Write ``states.safetensors`` into a run directory, whole or not at all: for each split the states of its
    predictions, in their order."""
    from safetensors.numpy import save_file

    splits = dict.fromkeys(p.split or UNSPLIT for p in predictions)
    rows = {s: np.stack([states[p.id] for p in predictions if (p.split or UNSPLIT) == s]) for s in splits}
    with whole_file(run / FILE) as temporary:
        save_file({name: np.ascontiguousarray(array, dtype=np.float32) for name, array in rows.items()}, temporary)


def read_states(run: Path) -> dict[str, States]:
    """The states of each split; empty where the run kept none. Raises MercError for a damaged file."""
    path = run / FILE
    if not path.is_file():
        return {}
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    remedy = "take it away, and make it again with merc evaluate"
    try:
        arrays = dict(load_file(path))
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise damaged(path, str(error), remedy) from None
    for split, states in arrays.items():
        if states.ndim != 2 or states.dtype != np.float32 or not np.isfinite(states).all():
            raise damaged(path, f"the states of {split} are no finite numbers for each utterance", remedy)
    return arrays


def project(states: States, truths: Sequence[str | None], labels: Sequence[str]) -> Projection | None:
    """Principal components of the states of utterances that have a truth, drawn in the colours of their labels.

    ``None`` where there are fewer than three such utterances, or all states are the same. Of very many, evenly spaced
    ones are drawn, though the directions come from all.

    >>> states = np.array([[0, 0, 1], [0, 0, 2], [9, 0, 1], [9, 0, 2]], dtype="float32")
    >>> found = project(states, ["joy", "joy", "fear", "fear"], ["fear", "joy"])
    >>> round(found.explained[0], 3), found.svg.count("<circle")
    (0.988, 4)
    """
    from sklearn.decomposition import PCA

    labelled = [i for i, truth in enumerate(truths) if truth is not None]
    rows = states[labelled].astype(np.float64)
    if len(rows) < 3 or np.ptp(rows, axis=0).max() == 0:
        return None
    fitted = PCA(n_components=2, svd_solver="full").fit(rows)
    points = fitted.transform(rows)
    step = max(1, -(-len(points) // MOST_POINTS))
    place = {label: i for i, label in enumerate(labels)}
    named = [str(truths[i]) for i in labelled]
    low, span = points.min(0), np.ptp(points, axis=0)
    span[span == 0] = 1.0
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="curve">',
        f"<title>The two first principal components of {len(rows)} hidden states</title>",
    ]
    chosen = range(0, len(points), step)
    for i in chosen:
        x, y = (points[i] - low) / span
        at = f'cx="{EDGE + x * (WIDTH - 2 * EDGE):.1f}" cy="{HEIGHT - EDGE - y * (HEIGHT - 2 * EDGE):.1f}"'
        parts.append(
            f'<circle class="spot spot-{place[named[i]] % 8}" {at} r="3"><title>{escape(named[i])}</title></circle>'
        )
    parts.append("</svg>")
    first, second = (float(share) for share in fitted.explained_variance_ratio_)
    return Projection(Markup("".join(parts)), (first, second), tuple(labels), len(chosen), len(points))
