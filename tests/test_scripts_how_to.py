"""The page about scripts: each runs as it stands, with random weights in place of downloads, and its two lines explain it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-to" / "explain-a-script.md"
PACKAGES = Path(sys.prefix) / "models"  # `make test` installs them, beside the environment
SCRIPTS = dict(re.findall(r'```python title="(.*?)"\n(.*?)```', PAGE.read_text(encoding="utf-8"), re.DOTALL))

# Replaces what the scripts download. torchvision's own operators are missing where it is built for another torch.
OFFLINE = """
import json, pathlib, torch
operators = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    if not hasattr(torch.ops.torchvision, name):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
torch.manual_seed(0)
torch.set_num_threads(1)
"""
DOWNLOADS = {
    "predict_torchvision.py": """
from torchvision.models.video import r3d_18
torch.hub.load_state_dict_from_url = lambda *_, **__: r3d_18().state_dict()
import torchvision.models._api as api
api.load_state_dict_from_url = torch.hub.load_state_dict_from_url
net = r3d_18()
net.fc = torch.nn.Linear(512, 4)
torch.save(net.state_dict(), "finetuned.pt")
""",
    "predict_transformers.py": """
import transformers
config = transformers.VideoMAEConfig(
    image_size=64, num_frames=8, hidden_size=48, num_attention_heads=4, num_hidden_layers=2, intermediate_size=96,
    num_labels=3, id2label={0: "archery", 1: "bowling", 2: "high jump"}, label2id={"archery": 0, "bowling": 1, "high jump": 2},
)
processor = transformers.VideoMAEImageProcessor(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})
network = transformers.VideoMAEForVideoClassification(config).eval()
transformers.VideoMAEImageProcessor.from_pretrained = staticmethod(lambda _: processor)
transformers.VideoMAEForVideoClassification.from_pretrained = staticmethod(lambda _: network)
""",
    "predict_slowfast.py": """
from pytorchvideo.models import hub
torch.hub.load = lambda _, name, pretrained: getattr(hub, name)(pretrained=False, stem_dim_outs=(16, 2))  # narrower
names = {f'"activity {index}"': index for index in range(400)}
pathlib.Path("kinetics_classnames.json").write_text(json.dumps(names))
""",
}
# What the explanation must hold, beside what the script itself computed.
CHECKS = {
    "predict_torchvision.py": """
explained = tubes.targets[0]
assert explained.name in CLASSES and tubes.clip.size == (16, 112, 112), tubes.clip.size
assert not tubes.provenance.preprocessing["assumed"], tubes.provenance.preprocessing
mean = tubes.provenance.preprocessing["mean"]
assert [round(value, 5) for value in mean] == [0.43216, 0.39467, 0.37645], mean
""",
    "predict_transformers.py": """
assert tubes.targets[0].name in model.config.id2label.values()
assert tubes.clip.size == (8, 64, 64), tubes.clip.size
assert not tubes.provenance.preprocessing["assumed"], tubes.provenance.preprocessing
assert abs(tubes.targets[0].logit - float(logits.max())) < 0.05, (tubes.targets[0].logit, logits)
""",
    "predict_slowfast.py": """
assert tubes.targets[0].name.startswith("activity "), tubes.targets[0]
assert tubes.clip.size == (32, 256, 256), tubes.clip.size
assert {layer.pathway for layer in tubes.layers} >= {0, 1}, [layer.pathway for layer in tubes.layers]
""",
}


def test_the_page_has_the_three_scripts_with_two_added_lines_each() -> None:
    assert SCRIPTS.keys() == CHECKS.keys() == DOWNLOADS.keys()
    for script in SCRIPTS.values():
        added = [line for line in script.splitlines() if line.endswith("# +")]
        assert len(added) == 2
        assert added[0].startswith("import notebook_explain as ne")
        assert added[1].startswith("tubes = ne.explain(model, ")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_as_it_stands_and_is_explained(name: str, tmp_path: Path) -> None:
    if not PACKAGES.is_dir():
        pytest.skip("torchvision, transformers and pytorchvideo are not installed (make test installs them)")
    _write_clip(tmp_path / "clip.mp4")
    program = OFFLINE + DOWNLOADS[name] + SCRIPTS[name] + CHECKS[name] + "\nprint(tubes.in_words())\n"
    (tmp_path / name).write_text(program, encoding="utf-8")
    environment = {"PYTHONPATH": f"{ROOT}:{PACKAGES}", "HF_HUB_OFFLINE": "1", "PATH": "", "HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    prediction, words = run.stdout.splitlines()[0], run.stdout.splitlines()[-1]
    assert prediction
    assert "of the evidence" in words or "No evidence" in words, words


def _write_clip(path: Path) -> None:
    import av

    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for index in range(40):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 2 * index, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
