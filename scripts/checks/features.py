"""Prints the cargo options of every combination of features worth checking, one line each.

For a crate with features: none, each alone, all. The default set is what everything else is built with.
"""

import json
import subprocess


def main():
    run = subprocess.run(
        ["cargo", "metadata", "--locked", "--no-deps", "--format-version=1"],
        check=True,
        capture_output=True,
        text=True,
    )
    for package in json.loads(run.stdout)["packages"]:
        features = sorted(name for name in package["features"] if name != "default")
        if not features:
            continue
        crate = f"-p {package['name']} --all-targets"
        print(f"{crate} --no-default-features")
        for name in features:
            print(f"{crate} --no-default-features --features {name}")
        if len(features) > 1:
            print(f"{crate} --all-features")


if __name__ == "__main__":
    main()
