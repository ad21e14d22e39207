"""Runs the commands that Markdown files show and compares what they print with what is shown.

    commands.py DIRECTORY FILE...
    commands.py --write DIRECTORY FILE...        puts what they print into the files instead

In a block that opens with ```console, a line `$ COMMAND` is run in a directory of its own for each file, below
DIRECTORY. The lines after it, up to the next command, are what it must print on standard output; without such
lines any output will do. A line `…` stands for any number of lines. A command must succeed; `$ COMMAND # exit 2`
says otherwise. Blocks that open with ```csv NAME put a file there first.

Words must agree. Numbers may differ by one unit in the last digit shown, since the last bits of a result depend
on the instruction set. Durations (`0.42 s`) may be anything.
"""

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```", re.M | re.S)
DURATION = re.compile(r"\d+(?:\.\d+)? s\b|\d+ min \d+ s\b")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
EXIT = re.compile(r"\s+# exit (\d+)$")
# Not run here: they need a network, or would run this script again.
SKIPPED = ("git clone", "cargo install", "scripts/", "cd ")


def agree(shown, printed):
    """Whether two lines are the same but for the last digit of their numbers."""
    shown, printed = (DURATION.sub("TIME", line.rstrip()) for line in (shown, printed))
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", printed).split():
        return False
    return all(near(a, b) for a, b in zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True))


def near(a, b):
    """Equal to one unit in the last digit of `a`, or to a relative 1e-6."""
    mantissa, _, exponent = a.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2])) if not is_count(a) else 0.0
    return abs(float(a) - float(b)) <= max(1.001 * unit, 1e-6 * abs(float(a)))


def is_count(text):
    return not ("." in text or "e" in text)


def matches(shown, printed):
    """Whether the lines printed are those shown, `…` standing for any."""
    if not shown:
        return not printed
    if shown[0].strip() == "…":
        return any(matches(shown[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and agree(shown[0], printed[0]) and matches(shown[1:], printed[1:])


def steps(block):
    """The (command, shown lines) of a console block."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and found[-1][0].endswith("\\"):
            found[-1] = (found[-1][0] + "\n" + line, [])
        elif found:
            found[-1][1].append(line)
    return [(command, "\n".join(shown).strip("\n").splitlines()) for command, shown in found]


def run(command, place, root):
    """Runs a command as shown: whether its exit code is right, and the lines it prints."""
    wanted = EXIT.search(command)
    code = int(wanted.group(1)) if wanted else 0
    line = EXIT.sub("", command).replace("cargo run ", f"cargo run --quiet --manifest-path '{root}/Cargo.toml' ")
    done = subprocess.run(["bash", "-c", line], cwd=place, capture_output=True, text=True, timeout=600)
    if done.returncode != code:
        sys.exit(f"$ {command}\nexit code {done.returncode} instead of {code}\n{done.stdout}{done.stderr}")
    output = done.stdout if code != 2 else done.stderr
    return [line.rstrip() for line in output.strip("\n").splitlines()]


def check(command, shown, printed):
    """Stops if what is printed is not what is shown."""
    if shown and not matches(shown, printed):
        diff = difflib.unified_diff(shown, printed, "shown", "printed", lineterm="")
        sys.exit("\n".join([f"$ {command}", *diff]))


def rewritten(command, shown, printed):
    """The lines to show: as printed, but for commands shown without output or with a part of it."""
    kept = not shown or any(line.strip() == "…" for line in shown)
    return [f"$ {command}", *(shown if kept else printed)]


def walk(path, place, root, write):
    """Runs the commands of one file."""
    text = path.read_text(encoding="utf-8")

    def block(match):
        kind, argument, body = match.groups()
        if kind == "csv" and argument:
            (place / argument).write_text(body, encoding="utf-8")
        if kind != "console":
            return match.group(0)
        lines = []
        for command, shown in steps(body):
            if command.startswith(SKIPPED):
                lines += [f"$ {command}", *shown]
                continue
            print(f"{path}: {command}", flush=True)
            printed = run(command, place, root)
            if not write:
                check(command, shown, printed)
            lines += rewritten(command, shown, printed)
        return "```console\n" + "\n".join(lines) + "\n```"

    text = BLOCK.sub(block, text)
    if write:
        path.write_text(text, encoding="utf-8")


def main():
    write = sys.argv[1] == "--write"
    scratch, *files = (Path(name) for name in sys.argv[1 + write :])
    os.environ.pop("COLUMNS", None)
    for path in files:
        place = scratch / "-".join(path.with_suffix("").parts)
        place.mkdir(parents=True)
        walk(path, place, Path.cwd(), write)


if __name__ == "__main__":
    main()
