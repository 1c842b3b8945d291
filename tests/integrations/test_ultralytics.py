"""HectiqlabCallback with the real Ultralytics: a detector from scratch on four pictures. Nothing is downloaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from .conftest import Site, config_of, unique

for package in ("torch", "torchvision", "ultralytics"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install ultralytics", allow_module_level=True)

pytestmark = pytest.mark.slow  # importing PyTorch alone takes seconds


@pytest.mark.timeout(200)
def test_a_training_is_a_run_with_losses_metrics_and_the_best_weights(site: Site, tmp_path: Path) -> None:
    name = unique("yolo")
    script = (
        "import os, sys\n"
        "import cv2, numpy as np\n"
        "os.chdir(sys.argv[2])\n"
        "for part in ('train', 'val'):\n"
        "    os.makedirs(f'images/{part}')\n"
        "    os.makedirs(f'labels/{part}')\n"
        "    for i in range(4):\n"
        "        cv2.imwrite(f'images/{part}/{i}.jpg', np.full((64, 64, 3), 50 * i, np.uint8))\n"
        "        open(f'labels/{part}/{i}.txt', 'w').write('0 0.5 0.5 0.4 0.4\\n')\n"
        "with open('data.yaml', 'w') as file:\n"
        "    file.write(f'path: {os.getcwd()}\\ntrain: images/train\\nval: images/val\\nnames: {{0: thing}}\\n')\n"
        "from ultralytics import YOLO\n"
        "from pyhectiqlab.integrations.ultralytics import HectiqlabCallback\n"
        "model = YOLO('yolo11n.yaml')\n"
        "HectiqlabCallback(sys.argv[1], log_model=True).attach_to(model)\n"
        "model.train(data='data.yaml', epochs=2, imgsz=64, batch=2, device='cpu', workers=0, plots=False, amp=False,\n"
        "            project=os.getcwd(), verbose=False)\n"
    )
    done = site.run(script, name, str(tmp_path), timeout=180, YOLO_CONFIG_DIR=str(tmp_path), YOLO_OFFLINE="true")
    assert done.returncode == 0, done.stderr
    run = site.ended(name)
    assert run["state"] == "completed"
    assert [s for s, _, _ in site.points(name, "train/box_loss")] == [1, 2]
    assert [s for s, _, _ in site.points(name, "metrics/mAP50(B)")] == [1, 2]
    assert [s for s, _, _ in site.points(name, "best/metrics/mAP50(B)")] == [2]
    assert config_of(site, name)["args"]["epochs"] == 2
    with site.client() as client:
        assert [a["name"] for a in client.get(f"/runs/{run['id']}/artifacts")["items"]] == ["best.pt"]
