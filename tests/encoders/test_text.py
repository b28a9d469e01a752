from __future__ import annotations

import json

import numpy as np
import pytest

from outgrow.encoders import hub, text
from outgrow.encoders.encoder import encoder, load_encoder, save_encoder
from outgrow.encoders.passes import pool
from outgrow.errors import FetchError, InputError, MissingExtra

from .conftest import texts


@pytest.fixture(params=["llama", "bert"])
def folder(request):
    return request.getfixturevalue(request.param)


def reference(enc, sentence: str, layer: int, pooling: str = "mean") -> np.ndarray:
    """What transformers gives for one text alone."""
    import torch

    ids = enc._tokenizer()([sentence], truncation=True, max_length=enc.limit(), return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        states = enc._reader().model(ids, output_hidden_states=True).hidden_states[layer][0]
    return (states[-1] if pooling == "last" else states.mean(0)).numpy()


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_every_layer_is_transformers_hidden_state(folder, pooling):
    enc = encoder(str(folder), pooling=pooling, dtype="float32")
    layers = list(range(enc.depth + 1))
    some = texts(12)
    views = enc.encode(some, layers)
    for layer in layers:
        assert views[layer].dtype == np.float32
        assert views[layer].shape == (12, enc.width)
        for i in (0, 5, 11):
            np.testing.assert_allclose(views[layer][i], reference(enc, some[i], layer, pooling), atol=1e-5)
    np.testing.assert_array_equal(enc.encode(some, [None])[None], views[enc.depth])


def test_a_row_is_the_same_alone_in_a_batch_and_in_any_order(folder):
    enc = encoder(str(folder), dtype="float32", batch_tokens=200)
    some = texts(40)
    whole = enc.encode(some, [1])[1]
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_allclose(enc.encode([some[i] for i in order], [1])[1], whole[order], atol=1e-5)
    for i in (0, 7, 39):
        np.testing.assert_allclose(enc.encode([some[i]], [1])[1][0], whole[i], atol=1e-5)


def test_early_exit_runs_no_deeper_block_and_changes_no_bit(llama):
    enc = encoder(str(llama), dtype="float32")
    some = texts(5)
    full = enc.encode(some, [0, 1, 2, 3])
    calls: list[int] = []
    for number, block in enumerate(enc._reader().blocks, start=1):
        block.register_forward_hook(lambda *_, number=number: calls.append(number))
    np.testing.assert_array_equal(enc.encode(some, [1])[1], full[1])
    assert set(calls) <= {1}
    calls.clear()
    np.testing.assert_array_equal(enc.encode(some, [0])[0], full[0])
    assert calls == []
    both = enc.encode(some, [2, 0])
    np.testing.assert_array_equal(both[2], full[2])
    assert set(calls) == {1, 2}


def test_a_model_whose_blocks_are_not_found_is_read_whole(llama, monkeypatch):
    enc = encoder(str(llama), dtype="float32")
    some = texts(6)
    hooked = enc.encode(some, [0, 2, 3])
    enc._reader().blocks = None
    for layer, matrix in enc.encode(some, [0, 2, 3]).items():
        np.testing.assert_allclose(matrix, hooked[layer], atol=1e-6)


def test_pooling_ignores_what_is_masked():
    import torch

    hidden = torch.tensor([[[1.0], [3.0], [float("nan")]], [[float("nan")] * 1] * 3])
    mask = torch.tensor([[1, 1, 0], [0, 0, 0]])
    assert pool(hidden, mask, "mean").tolist() == [[2.0], [0.0]]
    assert pool(hidden[:1], mask[:1], "last").tolist() == [[3.0]]
    assert pool(hidden[:1], mask[:1], "mean").dtype == torch.float32


def test_a_text_of_100_000_tokens_is_truncated(llama, bert):
    long = "good film " * 50_000
    enc = encoder(str(llama), dtype="float32")
    views, counts = enc.read([long, "good film"], [1])
    assert (counts.rows, counts.cut, counts.empty) == (2, 1, 0)
    assert counts.tokens == 512 + len(enc._tokenizer()("good film")["input_ids"])
    np.testing.assert_allclose(views[1][0], reference(enc, long[:20_000], 1), atol=1e-5)
    said = counts.sentences("tiny")
    assert "50.0% of the texts were cut" in said[0]
    assert "warning: tiny sees only the beginning of 50.0%" in said[1]
    # The model's own limit is lower than the one asked for, and the closing token is kept.
    short = encoder(str(bert), dtype="float32")
    tokens, cut = short._tokens([long])
    assert (short.limit(), len(tokens[0]), cut) == (64, 64, 1)
    assert tokens[0][-1] == short._tokenizer().sep_token_id


def test_an_empty_text(llama, bert):
    views, counts = encoder(str(llama)).read(["", "good", ""], [0, 3])
    assert counts.empty == 2
    assert not views[0][[0, 2]].any()
    assert not views[3][[0, 2]].any()
    assert views[3][1].any()
    only, counts = encoder(str(llama)).read(["", ""], [1])
    assert only[1].shape == (2, 32)
    assert not only[1].any()
    # With [CLS] and [SEP] it has tokens, so it has a vector.
    views, counts = encoder(str(bert)).read([""], [1])
    assert counts.empty == 0
    assert views[1].any()


def test_unknown_tokens_are_counted(bert):
    _, counts = encoder(str(bert)).read(["good zyzzyva film", "quux"], [0])
    assert (counts.tokens, counts.unknown) == (8, 2)
    assert "warning: 25.0% of the tokens are unknown to b" in counts.sentences("b")[1]


def test_lone_surrogates_and_wrong_types(llama):
    assert np.isfinite(encoder(str(llama)).encode(["bad \ud800 half"], [1])[1]).all()
    with pytest.raises(InputError, match="input 1 is of type float"):
        encoder(str(llama)).encode(["a", 1.5], [1])


def test_values_that_are_not_finite_are_refused(llama):
    import torch

    enc = encoder(str(llama), dtype="float32")
    with torch.no_grad():
        enc._reader().blocks[0].mlp.down_proj.weight.fill_(float("inf"))
    with pytest.raises(InputError, match=r"layer 2 of .* not finite in float32"):
        enc.encode(["good film"], [2])


def test_bfloat16_is_close(llama):
    some = texts(20)
    full = encoder(str(llama), dtype="float32").encode(some, [2])[2]
    half = encoder(str(llama), dtype="bfloat16").encode(some, [2])[2]
    assert half.dtype == np.float32
    cosine = (full * half).sum(1) / np.linalg.norm(full, axis=1) / np.linalg.norm(half, axis=1)
    assert 0.999 < cosine.min() < 1
    assert not np.array_equal(full, half)


def test_spec_rebuilds_it_and_notices_other_weights(llama, tmp_path):
    import shutil

    model = tmp_path / "model"
    shutil.copytree(llama, model)
    enc = encoder(str(model), pooling="last", max_tokens=64)
    save_encoder(enc, tmp_path / "saved")
    json.loads((tmp_path / "saved" / "encoder.json").read_text())
    again = load_encoder(tmp_path / "saved")
    np.testing.assert_array_equal(again.encode(["good film"], [2])[2], enc.encode(["good film"], [2])[2])
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    with pytest.raises(InputError, match="its views would differ"):
        load_encoder(tmp_path / "saved")


def test_recipe_changes_with_what_changes_bits(llama, bert):
    import torch

    base = encoder(str(llama), dtype="float32")
    other = [
        base.recipe(2),
        encoder(str(llama), dtype="bfloat16").recipe(1),
        encoder(str(llama), dtype="float32", pooling="last").recipe(1),
        encoder(str(llama), dtype="float32", max_tokens=9).recipe(1),
        encoder(str(bert), dtype="float32").recipe(1),
    ]
    mine = base.recipe(1)
    assert mine == encoder(str(llama), dtype="float32").recipe(1)
    assert all(mine != o for o in other)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert base.recipe(1) != mine
    finally:
        torch.set_num_threads(threads)


def test_nothing_global_is_left_behind(llama):
    import torch
    from transformers.utils import logging

    before = (
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        logging.get_verbosity(),
        logging.is_progress_bar_enabled(),
    )
    encoder(str(llama)).encode(texts(4), [1])
    after = torch.get_num_threads(), torch.is_grad_enabled(), logging.get_verbosity(), logging.is_progress_bar_enabled()
    assert before == after


def test_shards_are_the_same_in_every_run_and_sorted(llama):
    enc = encoder(str(llama), batch_tokens=64)
    some = texts(50)
    sizes = [len(t) for t in enc._tokens(some)[0]]
    shards = enc.plan(some)
    assert [s.rows.tolist() for s in shards] == [s.rows.tolist() for s in enc.plan(some)]
    assert np.concatenate([s.rows for s in shards]).tolist() == np.argsort(sizes, kind="stable").tolist()
    assert sum(s.size for s in shards) == sum(max(size, 1) for size in sizes)


# --- models that cannot be had ---------------------------------------------------------------------------------------------------------


def test_an_unknown_hub_id(monkeypatch):
    with pytest.raises(FetchError, match="'nobody/nothing' could not be fetched from the Hub"):
        encoder("nobody/nothing").encode(["secret canary"], [1])


def test_folders_that_hold_no_model(tmp_path, llama):
    import shutil

    with pytest.raises(FetchError, match=r"has no config\.json"):
        encoder(str(tmp_path)).encode(["a"], [1])
    bare = tmp_path / "bare"
    shutil.copytree(llama, bare)
    (bare / "model.safetensors").rename(bare / "pytorch_model.bin")
    with pytest.raises(FetchError, match="no safetensors weights, and nothing here unpickles"):
        encoder(str(bare)).encode(["a"], [1])
    (bare / "pytorch_model.bin").rename(bare / "model.safetensors")
    (bare / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(FetchError, match="cannot be loaded by transformers"):
        encoder(str(bare)).encode(["a"], [1])


def test_without_transformers(monkeypatch, llama):
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"pip install 'outgrow\[hf\]'"):
        encoder(str(llama)).encode(["a"], [1])


def test_telemetry_is_off(monkeypatch):
    import os

    for name in ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)
    hub.transformers_or_extra("x")
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == os.environ["DO_NOT_TRACK"] == "1"


@pytest.mark.packaged("minilm")
def test_minilm_reads_similar_texts_alike():
    enc = encoder("minilm", dtype="float32")
    assert (enc.depth, enc.width) == (6, 384)
    views, _ = enc.read(["a wonderful movie", "a great film", "quarterly tax forms"], [6])
    m = views[6].astype(float)
    m /= np.linalg.norm(m, axis=1, keepdims=True)
    assert m[0] @ m[1] > m[0] @ m[2] + 0.4


def test_the_table_states_true_sizes(llama):
    assert (encoder(str(llama)).depth, encoder(str(llama)).width) == (3, 32)
    assert text.TABLE["smollm2"].layers == 30
