"""The command line: ``notebook-explain demo`` (or ``python -m notebook_explain demo``)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code (2 for the user's own mistakes, told in one line)."""
    parser = argparse.ArgumentParser("notebook-explain", description="See why a video model decides what it decides.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="explain the bundled clip with the bundled model, offline")
    demo.add_argument(
        "--out", type=Path, default=Path("out"), help="folder for the page and the picture (default: out)"
    )
    options = parser.parse_args(arguments)
    try:
        _demo(options.out)
    except (OSError, ValueError) as error:
        print(f"notebook-explain: {error}", file=sys.stderr)
        return 2
    return 0


def _demo(folder: Path) -> None:
    from notebook_explain.explanations import DEFAULT_THRESHOLD
    from notebook_explain.one_call import demo

    folder.mkdir(parents=True, exist_ok=True)
    tubes = demo()
    result = tubes.targets[0]
    print(f"clip      {tubes.clip.source}, {len(tubes.clip)} frames")
    print(f"model     {tubes.provenance.model} (bundled)")
    print("classes   " + ", ".join(f"{name} {100 * p:.1f} %" for name, p in result.top5))
    print(f"evidence  {tubes.in_words()}")
    print(f"          (layer {tubes.layer().name}, at {DEFAULT_THRESHOLD:.0%} of its largest value)")
    for caveat in tubes.provenance.caveats:
        print(f"caveat    {caveat}")
    page = tubes.to_html(folder / "demo.html", title="notebook_explain: demo")
    picture = folder / "demo.png"
    tubes.figure().savefig(picture, dpi=150)
    print(f"page      {page.resolve()}  (interactive; open it in a browser, no network needed)")
    print(f"picture   {picture.resolve()}")


if __name__ == "__main__":
    sys.exit(main())
