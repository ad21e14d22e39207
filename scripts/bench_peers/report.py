"""Rows of the comparison and how they are printed."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """Ours against one peer: both numbers in ``unit`` and how many times better ours is."""

    case: str
    peer: str
    unit: str
    ours: float | None
    theirs: float | None
    goal: float | None = None
    smaller_is_better: bool = False
    #: Theirs was given up: its number, and so the ratio, is a lower bound.
    given_up: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better ours is than the peer's; above one means ours is ahead."""
        if not self.ours or not self.theirs:
            return None
        return self.theirs / self.ours if self.smaller_is_better else self.ours / self.theirs

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; ``None`` without a goal or where the numbers do not say."""
        if self.goal is None or self.ratio is None:
            return None
        if self.ratio < self.goal and self.given_up:
            return None
        return self.ratio >= self.goal


@dataclass
class Section:
    """One table: a title, its rows, and remarks printed under it."""

    title: str
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def machine() -> str:
    """One line about the machine and what else it is doing."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, load average {load:.1f} at the start"


def versions() -> str:
    """The peers and their versions."""
    packages = ("numpy", "scipy", "jax", "ott-jax", "POT", "cvxpy", "clarabel", "torch", "entmax")
    return ", ".join(f"{package} {version(package)}" for package in packages)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _cells(row: Row) -> list[str]:
    met = {None: "", True: "yes", False: "NO"}[row.met]
    goal = "" if row.goal is None else f"{row.goal:.2g}x"
    above = "> " if row.given_up else ""
    ratio = "–" if row.ratio is None else f"{above}{row.ratio:.2f}x"
    numbers = [_number(row.ours), above + _number(row.theirs), row.unit]
    return [row.case, row.peer, *numbers, ratio, goal, met, row.note]


def table(section: Section) -> str:
    """The section as a table that is also valid Markdown."""
    header = ["case", "against", "ours", "theirs", "unit", "ratio", "goal", "met", "note"]
    lines = [header, *(_cells(row) for row in section.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]

    def draw(cells: list[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    drawn = [draw(header), rule, *(draw(line) for line in lines[1:])]
    remarks = [f"  - {remark}" for remark in section.remarks]
    return "\n".join([section.title, "", *drawn, *([""] if remarks else []), *remarks, ""])


def save(sections: list[Section], path: Path) -> None:
    """Write everything that was printed as JSON."""
    content = {
        "machine": machine(),
        "versions": versions(),
        "sections": [
            {
                "title": section.title,
                "remarks": section.remarks,
                "rows": [
                    asdict(row) | {"ratio": row.ratio, "met": row.met} for row in section.rows
                ],
            }
            for section in sections
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
