"""Rules of the house that no compiler checks: short files, links that lead somewhere, nothing tied to one machine."""

import re
import subprocess
import sys
from pathlib import Path

LONGEST = 650
TEXT = {".rs", ".py", ".md", ".toml", ".bib", ".sh", ""}
# Generated, or text that is not ours to cut.
LONG_BY_NATURE = {"Cargo.lock", "LICENSE-APACHE"}
# Paths that exist on one machine only.
MACHINE = re.compile(r"(?<![\w.~-])/(?:home|root|tmp|work|Users)/\w")
LINK = re.compile(r"(?<!`)\[[^\]\[]*\]\(([^)\s]+)\)")


def files():
    """What is tracked or about to be."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True
    )
    if listing.returncode == 0:
        return [Path(name) for name in listing.stdout.splitlines() if Path(name).is_file()]
    skipped = {"target", ".git", ".venv"}
    return [p for p in Path(".").rglob("*") if p.is_file() and not skipped.intersection(p.parts)]


def problems(path):
    """Sentences on what is wrong with one file."""
    if path.suffix not in TEXT:
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > LONGEST and path.name not in LONG_BY_NATURE:
        yield f"{path}: {len(lines)} lines; split it, {LONGEST} are enough"
    for number, line in enumerate(lines, 1):
        if MACHINE.search(line):
            yield f"{path}:{number}: a path outside the repository"
    if path.suffix == ".md":
        prose = re.sub(r"```.*?```", "", "\n".join(lines), flags=re.S)
        for link in LINK.findall(prose):
            place = link.split("#")[0]
            if place and "://" not in place and not (path.parent / place).exists():
                yield f"{path}: the link to {link} leads nowhere"


def main():
    found = [problem for path in sorted(files()) for problem in problems(path)]
    print("\n".join(found) if found else f"{len(files())} files")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
