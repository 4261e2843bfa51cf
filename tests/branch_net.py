"""Second demo network for tests and benchmarks: trained on first use, and cached until the code that trains it changes."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).parents[1]
CACHE = Path(__file__).parent / ".cache"
UNINVOLVED = {"preview", "evaluate"}  # modules that affect neither clips nor weights


def branch_net() -> nn.Module:
    """Return the network with cached weights; without them, train it for five minutes."""
    from notebook_explain.models.demo.weights import load
    from scripts.demo_model import train
    from scripts.demo_model.branch_net import BranchNet

    digest = hashlib.sha256(torch.__version__.encode())
    for source in sorted(
        [*(ROOT / "notebook_explain" / "samples").glob("*.py"), *(ROOT / "scripts" / "demo_model").glob("*.py")]
    ):
        if source.stem not in UNINVOLVED:
            digest.update(_code(source))
    path = CACHE / f"branches-{digest.hexdigest()[:16]}.pt"
    if not path.is_file():
        CACHE.mkdir(exist_ok=True)
        for old in CACHE.glob("branches-*.pt"):
            old.unlink()
        train.main(["--net", "branches", "--out", str(path), "--clips", "0"])
    return load(BranchNet, path)


def _code(path: Path) -> bytes:
    """Return the syntax tree of a file without docstrings and comments, which do not affect weights."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            del body[0]
    return ast.dump(tree).encode()
