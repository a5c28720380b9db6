"""How a dataset and a run look in a notebook: HTML without script, from texts that are all a stranger's.

Nothing is loaded from anywhere. Colours are the notebook's own, so that a dark one stays dark.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._dataset import Dataset, DatasetRun

#: The most characters of a text that are shown, and the most rows of a table.
_LONGEST = 120
_MOST_ROWS = 30
_MOST_EXPERIMENTS = 20

_TABLE = "border-collapse:collapse;margin:.4em 0;font-size:.9em"
_CELL = "text-align:left;padding:.15em .7em .15em 0;vertical-align:top;border:0;background:none"
_FAINT = "opacity:.7"


def plain(text: object) -> str:
    """A text in one line, in which nothing is hidden: control and format characters are spelled out."""
    out = []
    for char in str(text):
        hidden = unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        out.append(f"\\u{{{ord(char):x}}}" if hidden else char)
        if len(out) > _LONGEST:
            return "".join(out[:_LONGEST]) + "…"
    return "".join(out)


def _text(value: object) -> str:
    """A value as HTML text."""
    return html.escape(plain(value), quote=True)


def _number(value: Any) -> str:
    """A number as people read it; a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if math.isfinite(value) else str(value)


def _table(rows: Iterable[Sequence[str]], head: Sequence[str] | None = None) -> str:
    cells = lambda row, tag: "".join(f'<{tag} style="{_CELL}">{cell}</{tag}>' for cell in row)  # noqa: E731
    top = f"<thead><tr>{cells(head, 'th')}</tr></thead>" if head else ""
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f'<table style="{_TABLE}">{top}<tbody>{body}</tbody></table>'


def sparkline(values: Sequence[float | None], width: int = 240, height: int = 40) -> str:
    """A line over numbers as an inline SVG; nothing if fewer than two are finite."""
    # More points than pixels cannot be seen.
    step = max(1, -(-len(values) // width))
    means = []
    for at in range(0, len(values), step):
        finite = [value for value in values[at : at + step] if value is not None and math.isfinite(value)]
        # Divided first, for the sum of large numbers may be infinite.
        means.append(sum(value / len(finite) for value in finite) if finite else None)
    known = [value for value in means if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    # Halved, for the difference of large numbers may be infinite.
    span = high / 2 - low / 2
    parts: list[list[str]] = [[]]
    for at, value in enumerate(means):
        if value is None or not math.isfinite(value):
            parts.append([])
            continue
        x = 2 + at * (width - 4) / max(1, len(means) - 1)
        share = (value / 2 - low / 2) / span if span > 0 else 0.5
        parts[-1].append(f"{x:.1f},{height - 3 - share * (height - 6):.1f}")
    lines = "".join(f'<polyline points="{" ".join(part)}"/>' for part in parts if len(part) > 1)
    dots = "".join(f'<circle cx="{part[0].split(",")[0]}" cy="{part[0].split(",")[1]}" r="1.5"/>' for part in parts if len(part) == 1)
    label = html.escape(f"total reward of {len(values):,} episodes, from {_number(low)} to {_number(high)}", quote=True)
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="{label}" '
        f'fill="none" stroke="currentColor" stroke-width="1.5"><title>{label}</title>{lines}{dots}</svg>'
    )


def dataset_html(dataset: Dataset) -> str:
    """A dataset: how many runs each experiment has, and where they come from."""
    experiments: dict[str, int] = {}
    for name in dataset:
        experiment = name.split("/", 1)[0]
        experiments[experiment] = experiments.get(experiment, 0) + 1
    rows = [[_text(name), _number(count)] for name, count in list(experiments.items())[:_MOST_EXPERIMENTS]]
    if len(experiments) > _MOST_EXPERIMENTS:
        rows.append([f'<span style="{_FAINT}">and {_number(len(experiments) - _MOST_EXPERIMENTS)} more</span>', ""])
    facts = [
        ["Revision", f"{_text(dataset.rev or 'HEAD')} <code>{_text(dataset.commit[:10])}</code>"],
        ["Data version", f"<code>{_text(dataset.data_version)}</code>"],
        ["Project", _text(dataset.root)],
    ]
    runs = "1 run" if len(dataset) == 1 else f"{_number(len(dataset))} runs"
    table = _table(rows, ["Experiment", "Runs"]) if rows else ""
    return f"<div><strong>Dataset</strong>: {runs}{_table(facts)}{table}</div>"


def failure_html(name: str, error: Exception) -> str:
    """A run that cannot be shown, and why."""
    return f"<div><strong>{_text(name)}</strong>: {_text(error)}</div>"


def run_html(run: DatasetRun, rewards: Sequence[float | None]) -> str:
    """A run: its figures, its rewards, its configuration, and where it comes from."""
    metrics, provenance = run.metrics, run.provenance
    figures = [[_text(name.replace("_", " ")), _number(value)] for name, value in metrics.items() if value is not None]
    names = [
        ("commit", "Commit"),
        ("committed_at", "Committed"),
        ("author", "Author"),
        ("tags", "Tags"),
        ("data_version", "Data version"),
        ("started", "Started"),
        ("simulator", "Simulator"),
        ("simulator_version", "Simulator version"),
        ("code_version", "Code version"),
        ("config_hash", "Configuration hash"),
    ]
    facts = []
    for key, title in names:
        value = provenance[key]
        if value:
            facts.append([title, _text(", ".join(value) if isinstance(value, list) else value)])
    validation = run.validation
    if validation is not None:
        codes = [*validation["errors"], *validation["warnings"]]
        verdict = "valid" if validation["ok"] else "invalid"
        facts.append(["Validation", _text(f"{verdict}: {', '.join(codes)}" if codes else verdict)])
    config = [[_text(key), _text(value)] for key, value in list(run.config.items())[:_MOST_ROWS]]
    more = len(run.config) - len(config)
    if more > 0:
        config.append([f'<span style="{_FAINT}">and {_number(more)} more</span>', ""])
    parts = [f"<div><strong>{_text(run.name)}</strong>"]
    line = sparkline(rewards)
    if line:
        parts.append(f'<div>{line}<div style="{_FAINT};font-size:.8em">total reward over episodes</div></div>')
    parts.append(_table(figures[:_MOST_ROWS]))
    parts.append(f"<details><summary>Configuration</summary>{_table(config)}</details>" if config else "")
    parts.append(f"<details open><summary>Provenance</summary>{_table(facts)}</details></div>")
    return "".join(parts)
