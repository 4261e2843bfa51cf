"""Build the wheel, check its contents, and use it in an empty environment: ``python -m scripts.check_wheel``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
REQUIRED = {
    "notebook_explain/py.typed",
    "notebook_explain/models/demo/weights.pt",
    *(
        f"notebook_explain/static/{view}_viewer.{kind}"
        for view in ("tube", "compare", "pyramid")
        for kind in ("js", "css")
    ),
    "notebook_explain/static/host.js",
}
# Words that mark files for developers only.
DEVELOPMENT = (
    "/train",
    "/evaluate",
    "/bench",
    "contact_sheets",
    "kernel_ablation",
    "bootstrap",
    "branch_net",
    "/tests",
)
USE = """
import sys
from pathlib import Path

import notebook_explain as ne

assert "site-packages" in ne.__file__, ne.__file__
tubes = ne.demo()
print(tubes.in_words())
viewer = tubes.view(threshold=0.5)
state = viewer.get_state()
assert len(state["frames"]) == len(tubes.clip) and state["maps"] and viewer._esm
page = tubes.to_html("demo.html")
assert page.stat().st_size > 100_000
bundle = tubes._repr_mimebundle_()
data = bundle[0] if isinstance(bundle, tuple) else bundle
assert "iframe" in data["text/html"]
assert ne.load(tubes.save("demo.npz")).targets == tubes.targets
for part in ("tests", "benchmarks", "scripts", "js"):
    assert not any((Path(entry) / part / "__init__.py").exists() for entry in sys.path if "site-packages" in entry), part
print("notebook_explain", ne.__version__, "works from the wheel")
"""


def build() -> Path:
    """Build the wheel into dist/ and return its path."""
    DIST.mkdir(exist_ok=True)
    for old in DIST.glob("notebook_explain-*.whl"):
        old.unlink()
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(DIST)!r}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return DIST / run.stdout.split()[-1]


def check_contents(wheel: Path) -> None:
    """Fail if a required file is missing, or if a development tool is in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    missing = sorted(REQUIRED - names)
    extra = sorted(name for name in names if any(word in f"/{name}" for word in DEVELOPMENT))
    outside = sorted(name for name in names if not name.startswith("notebook_explain"))
    if missing or extra or outside:
        raise SystemExit(f"{wheel.name}: missing {missing}; development files {extra}; outside the package {outside}")
    print(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size / 1e6:.2f} MB")


def use(wheel: Path) -> None:
    """Install the wheel in a new virtual environment and run the demo and the viewer there."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "venv"
        venv.create(environment, with_pip=True)
        python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-c", ROOT / "constraints.txt", wheel], check=True)
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run(
            [python, "-W", "error::DeprecationWarning:notebook_explain", "-c", USE],
            cwd=folder,
            env=variables,
            check=True,
        )


def main() -> None:
    """Build, check and use the wheel."""
    wheel = build()
    check_contents(wheel)
    use(wheel)


if __name__ == "__main__":
    main()
