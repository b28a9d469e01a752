"""A tiny causal language model with random weights and byte-level BPE, built on the spot."""

from __future__ import annotations

from pathlib import Path

WORDS = """the a film movie plot is was good bad great dull slow sharp funny and but not very it story""".split()  # noqa: SIM905


def reviews(n: int) -> tuple[list[str], list[str]]:
    """Write n different short texts and their classes, no and yes, each told by one word."""
    import random

    rng = random.Random(2)
    texts, truth = [], []
    for i in range(n):
        words = [f"n{i}", *rng.choices([w for w in WORDS if w not in ("good", "bad")], k=rng.randint(1, 8))]
        words.insert(rng.randrange(len(words)), ("bad", "good")[i % 2])
        texts.append(" ".join(words))
        truth.append(("no", "yes")[i % 2])
    return texts, truth


def save_llama(folder: Path, *, head: bool = True, start: bool = False) -> Path:
    """Save two blocks of 32 columns whose tokenizer knows the words above, with a start token where asked."""
    import random

    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel, PreTrainedTokenizerFast

    rng = random.Random(0)
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 30))) for _ in range(200)]
    special = ["<s>", "</s>"]
    raw.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=400,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
            special_tokens=special,
        ),
    )
    if start:
        raw.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", raw.token_to_id("<s>"))]
        )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>" if start else None, eos_token="</s>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.5,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    (LlamaForCausalLM if head else LlamaModel)(config).save_pretrained(folder)
    return folder
