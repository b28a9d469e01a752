"""Measure a page in headless Chromium, which never lays out under 500 px: the page sits in an iframe of the width that is wanted."""

from __future__ import annotations

import html
import json
import re
import subprocess

# The harness reads the page from outside; the page itself holds no script.
MEASURE = r"""
const all = [];
const read = frame => {
  const d = frame.contentDocument, w = frame.contentWindow, out = {};
  const root = d.documentElement;
  out.width = w.innerWidth; out.scroll = root.scrollWidth;
  out.wide = [...d.querySelectorAll('body *')].filter(e => !e.closest('.scroll') && !e.closest('svg')
    && e.getBoundingClientRect().right > w.innerWidth + 0.5).map(e => e.tagName + '.' + e.className).slice(0, 5);
  const shown = e => { const b = e.getBoundingClientRect(); return b.width > 0 && b.height > 0; };
  const top = e => { const b = e.getBoundingClientRect(); return [b.top, b.bottom]; };
  out.decision = top(d.querySelector('#decision'));
  const first = [...d.querySelectorAll('svg')].find(shown);
  out.figure = first ? top(first) : null;
  out.spills = [...d.querySelectorAll('svg')].filter(shown).flatMap(s => { const box = s.getBoundingClientRect();
    return [...s.querySelectorAll('text')].filter(t => { const b = t.getBoundingClientRect();
      return b.left < box.left - 2 || b.right > box.right + 2 || b.bottom > box.bottom + 2; })
      .map(t => s.id + t.textContent); }).slice(0, 5);
  const rgb = s => { const m = s.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const light = c => { const f = c.slice(0, 3).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(w.getComputedStyle(e).backgroundColor); if (c[3] > 0) return c; }
    return [255, 255, 255, 1]; };
  out.paper = behind(d.body); out.worst = 99; out.where = ''; out.texts = 0;
  for (const e of d.querySelectorAll('body *')) {
    if (!shown(e) || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const svg = e.closest('svg'), style = w.getComputedStyle(e);
    let ground = behind(svg || e);
    if (svg && /\bon\d/.test(e.getAttribute('class'))) ground = rgb(w.getComputedStyle(e.previousElementSibling).fill);
    out.texts += 1;
    const r = ratio(rgb(svg ? style.fill : style.color), ground);
    if (r < out.worst) { out.worst = r; out.where = e.tagName + '.' + e.getAttribute('class') + ': ' + e.textContent.slice(0, 40); }
  }
  return out;
};
"""


def frame(page: str, width: int, height: int) -> str:
    """Put a page into an iframe of a given size."""
    return _harness([(page, width)], height, "")


def _harness(pages, height: int, script: str) -> str:
    frames = "".join(f'<iframe width="{width}" height="{height}"></iframe>' for _, width in pages)
    documents = "[" + ",".join(_text(page) for page, _ in pages) + "]"
    start = "all[i] = read(f); if (all.filter(Boolean).length === pages.length) document.title = JSON.stringify(all);"
    return (
        "<!doctype html><meta charset=utf-8><title>-</title><style>body{margin:0}iframe{border:0;display:block}</style>"
        f"{frames}<script>{script}\nconst pages = {documents};\n"
        "document.querySelectorAll('iframe').forEach((f, i) => { "
        + (f"f.onload = () => {{ {start} }}; " if script else "")
        + "f.srcdoc = pages[i]; });</script>"
    )


def _text(page: str) -> str:
    return json.dumps(page).replace("<", "\\u003c")


def chromium_command(chromium: str, dark: bool, profile) -> list[str]:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"]
    flags += ["--disable-background-networking", "--no-first-run", "--virtual-time-budget=3000"]
    if dark:
        flags.append("--blink-settings=preferredColorScheme=0")
    return [chromium, *flags]


def measure(chromium: str, pages, folder, height: int = 800, dark: bool = False) -> list[dict]:
    """Return what the harness read from each of some (page, width) once laid out."""
    file = folder / "frame.html"
    file.write_text(_harness(pages, height, MEASURE), "utf-8")
    widest = max(500, *(width for _, width in pages))
    command = [*chromium_command(chromium, dark, folder / "profile"), f"--window-size={widest},{height}"]
    done = subprocess.run(
        [*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    title = html.unescape(re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)[1])
    return json.loads(title)
