from __future__ import annotations

import platform

import pytest

from outgrow.encoders.hardware import bf16_in_hardware, resolve_dtype


@pytest.mark.parametrize(
    ("machine", "line", "answer"),
    [
        ("x86_64", "flags\t\t: fpu avx2 avx512f avx512_bf16", True),
        ("x86_64", "flags\t\t: fpu amx_bf16 amx_tile", True),
        ("x86_64", "flags\t\t: fpu avx2 avx512f", False),
        ("x86_64", "flags\t\t: bf16", False),
        ("aarch64", "Features\t: fp asimd bf16 i8mm", True),
        ("aarch64", "Features\t: fp asimd", False),
    ],
)
def test_flags(tmp_path, monkeypatch, machine, line, answer):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n")
    bf16_in_hardware.cache_clear()
    assert bf16_in_hardware(tmp_path / "cpuinfo") is answer
    bf16_in_hardware.cache_clear()


def test_unreadable_means_no(tmp_path):
    assert bf16_in_hardware(tmp_path / "none") is False


def test_auto_follows_the_processor(monkeypatch):
    monkeypatch.setattr("outgrow.encoders.hardware.bf16_in_hardware", lambda: True)
    assert resolve_dtype("auto") == "bfloat16"
    assert resolve_dtype("float32") == "float32"
    monkeypatch.setattr("outgrow.encoders.hardware.bf16_in_hardware", lambda: False)
    assert resolve_dtype("auto") == "float32"
