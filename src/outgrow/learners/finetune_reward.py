r"""A reward model learned from preference pairs: one output, read from each text of a pair.

Bradley and Terry 1952 (Biometrika 39); as the loss of a reward model, Ouyang et al. 2022 (arXiv 2203.02155, equation 1):

.. math:: p(\text{first over second}) = \sigma(r(\text{first}) - r(\text{second})),
   \qquad \min\; -q \log \sigma(r_1 - r_2) - (1 - q) \log \sigma(r_2 - r_1)

with the (weak) probability q that the first is preferred. The pair :math:`(r_1, r_2)` serves as the logits of two classes, whose softmax is
that probability; so every objective and method for two classes works on pairs, and the order of the texts cannot matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from outgrow.encoders.batching import token_batches
from outgrow.errors import InputError, NeedsError
from outgrow.learners.finetune import FineTune
from outgrow.learners.finetune_loop import padded
from outgrow.learners.finetune_model import Pooled
from outgrow.tasks.pairs import read_pair
from outgrow.tasks.rows import Rows, TokenIds

__all__ = ["FineTuneReward", "Rewarding"]

# Between the token ids of two texts; no token has this number.
BETWEEN = -1


class _Reward(nn.Linear):
    """One output for a text; a pair has two."""

    def __init__(self, width: int):
        super().__init__(width, 1)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)
        self.out_features = 2


class Rewarding(Pooled):
    """A model that reads a row of token ids as two texts, ``BETWEEN`` between them, and gives each a reward.

    Parameters
    ----------
    trunk, width, pooling
        As :class:`~outgrow.learners.finetune_model.Pooled`.
    """

    def __init__(self, trunk: Any, width: int, pooling: str):
        super().__init__(trunk, width, 2, pooling)
        self.head = _Reward(width)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return (b, 2) rewards of the two texts of each row."""
        both = self._both(ids, mask)
        with torch.autocast(both.device.type, enabled=False):
            return self.head(both).reshape(-1, 2) * self.scale + self.shift

    def pooled(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return (b, width), first text minus second: a reward is linear in it."""
        both = self._both(ids, mask)
        return both[0::2] - both[1::2]

    def alone(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return (b,) rewards of single texts."""
        read = super().pooled(ids, mask)
        with torch.autocast(read.device.type, enabled=False):
            return self.head(read)[:, 0]

    def _both(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return (2b, width): first and second text of each row in turn, read beside each other."""
        between = (ids == BETWEEN).int().argmax(dim=1)
        ends = mask.sum(dim=1)
        length = int(torch.maximum(between, ends - between - 1).max())
        steps = torch.arange(length, device=ids.device)
        starts = torch.stack([torch.zeros_like(between), between + 1], dim=1).reshape(-1, 1)
        lengths = torch.stack([between, ends - between - 1], dim=1).reshape(-1, 1)
        seen = steps[None] < lengths
        where = (starts + steps[None]).clamp(max=ids.shape[1] - 1)
        sides = ids.repeat_interleave(2, dim=0).gather(1, where).masked_fill(~seen, 0)
        return super().pooled(sides, seen.long())


class FineTuneReward(FineTune):
    """A fine-tuned reward model of preference pairs; parameters and attributes as in :class:`~outgrow.learners.FineTune`.

    Inputs are pairs (:func:`outgrow.tasks.pairs.pair_text`, :func:`outgrow.tasks.pairs.from_pairs`), labels two classes, of which the
    first stands for the first text. ``logits`` are the two rewards, ``predict_proba`` is Bradley and Terry's probability, and
    :meth:`reward` gives the reward of single texts. ``max_tokens`` counts for each text. ``text_epochs`` is not offered.

    References
    ----------
    Bradley and Terry 1952, "Rank analysis of incomplete block designs". Ouyang et al. 2022, "Training language models to follow
    instructions with human feedback", arXiv 2203.02155.
    """

    def check(self) -> None:
        """Raise when a parameter is out of range.

        Raises
        ------
        InputError
        """
        super().check()
        if self.text_epochs:
            raise InputError(
                f"FineTuneReward: text_epochs is {self.text_epochs}; a reward model reads no text first, leave it out"
            )

    def _build(self, outputs: int) -> Pooled:
        if outputs != 2:
            raise InputError(
                f"FineTuneReward learns which of two texts is preferred, and these labels have {outputs} classes; give two, "
                "the first of which stands for the first text"
            )
        plain = super()._build(outputs)
        return Rewarding(plain.trunk, plain.head.in_features, plain.pooling)

    def _ground(self, given: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        # No shift: which text stands first means nothing.
        return torch.zeros(2), torch.ones(2)

    def _tokens(self, rows: Rows) -> list[NDArray[np.int64]]:
        """Return the token ids of both texts of each row, with ``BETWEEN`` between them."""
        name = rows.name(self.on)
        view = rows.views[name]
        if view.matrix or isinstance(view.values, TokenIds):
            raise NeedsError(
                f"FineTuneReward reads pairs of texts, and view {name!r} holds numbers; name the texts with on="
            )
        pairs = [read_pair(text) for text in rows.view(name)]
        bad = next((i for i, pair in enumerate(pairs) if pair is None), None)
        if bad is not None:
            raise InputError(
                f"row {int(rows.ids[bad])} is no pair of texts; write pairs with outgrow.tasks.pairs.from_pairs or pair_text"
            )
        sides = self._ids([side for pair in pairs if pair is not None for side in pair])
        between = np.array([BETWEEN], dtype=np.int64)
        return [np.concatenate([sides[2 * i], between, sides[2 * i + 1]]) for i in range(len(pairs))]

    def _ids(self, texts: list[str]) -> list[NDArray[np.int64]]:
        return TokenIds(self._reader().encode(texts)[None])[:] if texts else []

    def reward(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return (n,) rewards of single texts; only differences between them mean something."""
        check_is_fitted(self, "model_")
        if isinstance(texts, str) or not all(isinstance(t, str) for t in texts):
            raise InputError("rewards are given to a list of texts")
        tokens = self._ids(list(texts))
        out = np.zeros(len(tokens))
        model, lengths = self.model_, np.array([len(t) for t in tokens], dtype=np.int64)
        assert isinstance(model, Rewarding)
        with torch.inference_mode():
            for part in token_batches(lengths, self.batch_tokens):
                ids, mask = padded([tokens[i] for i in part], model.head.weight.device)
                with torch.autocast(ids.device.type, dtype=torch.bfloat16, enabled=self._dtype() == "bfloat16"):
                    out[part] = model.alone(ids, mask).double().cpu().numpy()
        return out
