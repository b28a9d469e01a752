"""A causal language model that is asked: log-probabilities of continuations, and greedy completions.

Prompts are sorted by length, batched and padded on the left, so the last position of every row is its prompt's last token. The language
head, whose matrix is the largest, is computed there only. A continuation of several tokens reads on from the prompt's own keys and
values, so a prompt is read once however many continuations it is asked about.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from outgrow.encoders.batching import token_batches
from outgrow.encoders.encoder import TABLE, is_model_name, sound_text
from outgrow.encoders.hardware import resolve_dtype
from outgrow.encoders.hub import loading, quiet, transformers_or_extra
from outgrow.encoders.source import ModelSource
from outgrow.errors import InputError, nearest

if TYPE_CHECKING:
    import torch

__all__ = ["LanguageModel", "promptable"]

# Packaged models with a language head in their file.
PACKAGED = ("smollm2", "gemma3")
_CHUNK = 1000


class LanguageModel:
    """A causal language model: a packaged one, a Hub id, or a local folder. Nothing is fetched or loaded before it is asked.

    Parameters
    ----------
    name : str
        ``"smollm2"``, ``"gemma3"``, ``"org/name"`` or a path.
    max_tokens : int
        Most tokens of a prompt; less where the model reads less. A longer prompt loses its beginning.
    dtype : {"auto", "float32", "bfloat16"}
        ``auto`` is bfloat16 where the processor has it in hardware.
    revision : str, optional
        Branch, tag or commit of a Hub id.
    batch_tokens : int
        Padded tokens in a batch.
    say : callable, optional
        Told a sentence before a download or a conversion.
    """

    def __init__(
        self,
        name: str,
        *,
        max_tokens: int = 1024,
        dtype: str = "auto",
        revision: str | None = None,
        batch_tokens: int = 2048,
        say: Callable[[str], None] | None = None,
    ):
        if name in TABLE and name not in PACKAGED:
            raise InputError(
                f"{name!r} is an encoder without a language head and cannot be asked{nearest('', PACKAGED)}"
            )
        if name not in PACKAGED and not is_model_name(name):
            raise InputError(
                f"no language model is called {name!r}{nearest(name, PACKAGED)}; or give org/name or a folder"
            )
        self.name = name
        self.max_tokens = max_tokens
        self.dtype = resolve_dtype(dtype)
        self.batch_tokens = batch_tokens
        self.say = say
        self.source = ModelSource(name, revision, packaged=name in PACKAGED, what="language model")
        self._model: Any = None

    @classmethod
    def load(cls, name: str, **options: Any) -> LanguageModel:
        """Make the model and load its weights now; options as in the constructor.

        Raises
        ------
        InputError
            Unknown name, or a model without a language head.
        FetchError, MissingExtra
            When it cannot be obtained or loaded.
        """
        made = cls(name, **options)
        made._weights()
        return made

    @property
    def key(self) -> str:
        """What its numbers depend on besides the prompts: the model's bytes, dtype, token limit and threads."""
        import torch

        parts = (self.source.digest(), self.dtype, self.max_tokens, self.batch_tokens, torch.get_num_threads())
        return "/".join(str(p) for p in parts)

    def _tokenizer(self) -> Any:
        return self.source.tokenizer(self.say)

    def _weights(self) -> Any:
        if self._model is None:
            import torch

            transformers = transformers_or_extra(f"language model {self.name!r}")
            folder = self.source.weights(self.say)
            if not has_head(folder):
                raise InputError(
                    f"the model {self.name!r} has no language head, so it cannot be asked; name a causal language model"
                )
            with quiet(), loading(self.name):
                model = transformers.AutoModelForCausalLM.from_pretrained(
                    str(folder), dtype=getattr(torch, self.dtype), use_safetensors=True
                )
            self._model = model.eval()
        return self._model

    # --- tokens ------------------------------------------------------------------------------------------------------------------------

    def lengths(self, prompts: Sequence[str]) -> NDArray[np.int64]:
        """Return the tokens of each prompt (n,), before any cut."""
        return np.array([len(t) for t in self._encode(prompts)], dtype=np.int64)

    def longest(self, continuations: Sequence[str]) -> int:
        """Return the tokens of the longest continuation."""
        return max(len(t) for t in self._continued(["."], continuations))

    @property
    def limit(self) -> int:
        """Most tokens of a prompt."""
        return self.source.limit(self.max_tokens, self.say)

    def _encode(self, texts: Sequence[str], special: bool = True) -> list[list[int]]:
        tokenizer, out = self._tokenizer(), []
        for start in range(0, len(texts), _CHUNK):
            out += tokenizer(
                sound_text(texts[start : start + _CHUNK]),
                add_special_tokens=special,
                padding=False,
                truncation=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )["input_ids"]
        return out

    def _prompts(self, prompts: Sequence[str], room: int) -> list[list[int]]:
        """Return token ids, cut at the front to leave ``room`` for what follows; never none."""
        tokenizer = self._tokenizer()
        limit = max(self.limit - room, 1)
        start = tokenizer.bos_token_id
        first = next((t for t in (start, tokenizer.eos_token_id) if t is not None), 0)

        def cut(tokens: list[int]) -> list[int]:
            if len(tokens) <= limit:
                return tokens or [first]
            kept = tokens[-limit:]
            return [start, *kept[1:]] if tokens[0] == start else kept

        return [cut(tokens) for tokens in self._encode(prompts)]

    def _continued(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[list[int]]:
        """Return the tokens each continuation adds after a prompt; some tokenizers split a text's beginning in another way."""
        ends = {p[-1:] for p in prompts}
        anchor = ends.pop() if len(ends) == 1 else "."
        (before,) = self._encode([anchor], special=False)
        out = []
        for text, whole in zip(
            continuations, self._encode([anchor + c for c in continuations], special=False), strict=True
        ):
            plain = len(whole) > len(before) and whole[: len(before)] == before
            tokens = whole[len(before) :] if plain else self._encode([text], special=False)[0]
            if not tokens:
                raise InputError(f"the continuation {text!r} has no token for the model {self.name!r}; give a word")
            out.append(tokens)
        return out

    # --- asking ------------------------------------------------------------------------------------------------------------------------

    def scores(self, prompts: Sequence[str], continuations: Sequence[str]) -> NDArray[np.float64]:
        """Return log P(continuation | prompt), summed over the continuation's tokens.

        Parameters
        ----------
        prompts : sequence of n str
        continuations : sequence of k str
            Taken as they are: a word after a colon begins with its space.

        Returns
        -------
        ndarray of shape (n, k)
            Natural logarithms.
        """
        out = np.full((len(prompts), len(continuations)), np.nan)
        for rows, block in self.score_batches(prompts, continuations):
            out[rows] = block
        return out

    def score_batches(
        self, prompts: Sequence[str], continuations: Sequence[str], skip: NDArray[np.bool_] | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Yield (row numbers, scores) batch by batch, as :meth:`scores` computes them.

        Rows in ``skip`` are left out. Batches are planned over all prompts all the same: what is scored after an interruption has the
        neighbours, and so the bits, that it has without one.
        """
        if not len(prompts):
            return
        words = self._continued(prompts, continuations)
        ids = self._prompts(prompts, max(len(w) for w in words))
        lengths = np.array([len(t) for t in ids], dtype=np.int64)
        for rows in token_batches(lengths, self.batch_tokens):
            wanted = rows if skip is None else rows[~skip[rows]]
            if len(wanted):
                yield wanted, self._score([ids[i] for i in wanted], words)

    def _score(self, ids: list[list[int]], words: list[list[int]]) -> NDArray[np.float64]:
        import torch

        out = np.zeros((len(ids), len(words)))
        longer = any(len(w) > 1 for w in words)
        block, mask, places = self._left_padded(ids)
        with torch.inference_mode():
            read = self._read(input_ids=block, attention_mask=mask, position_ids=places, use_cache=longer, last=True)
            first = torch.log_softmax(read.logits[:, -1].double(), dim=-1)
            for j, word in enumerate(words):
                total = first[:, word[0]]
                if len(word) > 1:
                    total = total + self._rest(read.past_key_values, mask, places, word)
                out[:, j] = total.numpy()
        if not np.isfinite(out).all():
            raise InputError(
                f"language model {self.name!r} gives values that are not finite in {self.dtype}; use dtype float32"
            )
        return out

    def _rest(self, cache: Any, mask: torch.Tensor, places: torch.Tensor, word: list[int]) -> torch.Tensor:
        """Return log P of a word's tokens after the first, read on from the prompt."""
        import torch

        given = torch.tensor(word[:-1]).expand(len(mask), -1)
        more = torch.ones_like(given)
        after = places[:, -1:] + torch.arange(1, len(word))
        read = self._read(
            input_ids=given,
            attention_mask=torch.cat([mask, more], dim=1),
            position_ids=after,
            past_key_values=copy.deepcopy(cache),
            use_cache=True,
        )
        logs = torch.log_softmax(read.logits.double(), dim=-1)
        wanted = torch.tensor(word[1:]).expand(len(mask), -1).unsqueeze(2)
        return logs.gather(2, wanted).squeeze(2).sum(1)

    def _read(self, *, use_cache: bool, last: bool = False, **given: Any) -> Any:
        """Run the model; with ``last`` its head reads the last position only."""
        model = self._weights()
        known = inspect.signature(model.forward).parameters
        # Models that count positions otherwise (ALiBi) take none.
        given = {k: v for k, v in given.items() if k != "position_ids" or k in known}
        if last and "logits_to_keep" in known:
            given["logits_to_keep"] = 1
        read = model(use_cache=use_cache, return_dict=True, **given)
        if use_cache and getattr(read, "past_key_values", None) is None:
            raise InputError(
                f"language model {self.name!r} keeps no keys and values ({type(model).__name__}); use labels of one token, "
                "or name a transformer"
            )
        return read

    def _left_padded(self, ids: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        import torch

        longest = max(len(t) for t in ids)
        block, mask = np.zeros((len(ids), longest), dtype=np.int64), np.zeros((len(ids), longest), dtype=np.int64)
        for i, tokens in enumerate(ids):
            block[i, longest - len(tokens) :] = tokens
            mask[i, longest - len(tokens) :] = 1
        places = (mask.cumsum(axis=1) - 1).clip(min=0)
        return torch.from_numpy(block), torch.from_numpy(mask), torch.from_numpy(places)

    def complete(self, prompts: Sequence[str], max_new_tokens: int, stop: str | Sequence[str] = ()) -> list[str]:
        """Return what the model writes after each prompt, taking the likeliest token each time.

        Parameters
        ----------
        prompts : sequence of n str
        max_new_tokens : int
        stop : str, or sequence of str
            A completion ends before the first of these, or where the model ends its text.

        Returns
        -------
        list of n str
            Without the prompt and without the stop.
        """
        stops = [stop] if isinstance(stop, str) else list(stop)
        if max_new_tokens < 1:
            raise InputError(f"max_new_tokens must be a whole number from 1, not {max_new_tokens!r}")
        if any(not s for s in stops):
            raise InputError("an empty text stops nothing; leave it out of stop=")
        ids = self._prompts(prompts, max_new_tokens) if len(prompts) else []
        lengths = np.array([len(t) + max_new_tokens for t in ids], dtype=np.int64)
        out = [""] * len(ids)
        for rows in token_batches(lengths, 2 * self.batch_tokens):
            for i, text in zip(rows, self._write([ids[r] for r in rows], max_new_tokens, stops), strict=True):
                out[i] = text
        return out

    def _write(self, ids: list[list[int]], most: int, stops: list[str]) -> list[str]:
        import torch

        tokenizer, ends = self._tokenizer(), self._ends()
        block, mask, places = self._left_padded(ids)
        written: list[list[int]] = [[] for _ in ids]
        texts = [""] * len(ids)
        live = set(range(len(ids)))
        cache, step, at = None, block, places
        with torch.inference_mode():
            for _ in range(most):
                read = self._read(
                    input_ids=step,
                    attention_mask=mask,
                    position_ids=at,
                    past_key_values=cache,
                    use_cache=True,
                    last=True,
                )
                cache = read.past_key_values
                likeliest = read.logits[:, -1].argmax(dim=-1)
                for i, token in enumerate(likeliest.tolist()):
                    if i not in live:
                        continue
                    if token in ends:
                        live.discard(i)
                        continue
                    written[i].append(token)
                    texts[i] = tokenizer.decode(written[i], skip_special_tokens=True)
                    found = [place for s in stops if (place := texts[i].find(s)) >= 0]
                    if found:
                        texts[i] = texts[i][: min(found)]
                        live.discard(i)
                if not live:
                    break
                step, at = likeliest.unsqueeze(1), at[:, -1:] + 1
                mask = torch.cat([mask, torch.ones((len(mask), 1), dtype=mask.dtype)], dim=1)
        return texts

    def _ends(self) -> set[int]:
        own = getattr(self._weights().generation_config, "eos_token_id", None)
        ends = {self._tokenizer().eos_token_id, *(own if isinstance(own, list | tuple) else [own])}
        return {e for e in ends if e is not None}

    def chat(self, *turns: tuple[str, str]) -> str:
        """Return the prompt, in the model's own chat form, after turns of (role, text); it ends where the model answers.

        Raises
        ------
        InputError
            When the tokenizer has no chat template.
        """
        tokenizer = self._tokenizer()
        if not tokenizer.chat_template:
            raise InputError(f"language model {self.name!r} has no chat template; write the prompt as plain text")
        messages = [{"role": role, "content": text} for role, text in turns]
        text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        # The tokenizer adds its start token itself.
        start = tokenizer.bos_token
        doubled = start and text.startswith(start) and self._encode([""])[0][:1] == [tokenizer.bos_token_id]
        return text.removeprefix(start) if doubled else text


def has_head(folder: Any) -> bool:
    """Say whether the model saved in a folder is a causal language model with its head."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    from outgrow.store import read_json

    config = read_json(folder / "config.json")
    names = {
        n
        for value in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
        for n in ([value] if isinstance(value, str) else value)
    }
    return bool(names & set(config.get("architectures") or ()))


def promptable(name: str, revision: str | None = None) -> bool:
    """Say whether an encoder's name is that of a causal language model, as far as it can be told without a network."""
    if name in TABLE:
        return name in PACKAGED
    if not is_model_name(name):
        return False
    source = ModelSource(name, revision, packaged=False, what="language model")
    if not source.at_hand():
        return False
    return has_head(source.folder())
