"""Build the documentation site in out/site and check it: ``python -m scripts.docs.build``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from scripts.docs.check_site import check_site
from scripts.docs.gallery import write_gallery
from scripts.docs.tutorials import write_tutorials

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "docs" / "generated"


def main() -> None:
    """Execute the tutorials, write the gallery, build the site strictly, and open every page."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    write_tutorials(GENERATED / "tutorials")
    write_gallery(GENERATED)
    subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"], cwd=ROOT, check=True)
    check_site(ROOT / "out" / "site")


if __name__ == "__main__":
    main()
