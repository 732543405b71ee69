"""What is installed, what is missing, and the command that fixes it. No check takes long or ends in a traceback.

Used by `video2music doctor`.
"""

import importlib
import importlib.util
import platform
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

PYTHON = (3, 11)
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# For an hour of video: music, the clip's own sound and their mix as floats, 1.3 GB each, WAV files and the picture.
FREE_BYTES = 6e9
DECODERS, ENCODERS = ("h264",), ("aac", "libopus")  # codecs of most clips, and of the sound of scored ones
SHIPPED = ("amt", "regressor", "accompaniment", "color")
TAGGERS = ("musicnn", "vgg")  # of the judges, see emotion.features.taggers
WEIGHTS = Path(__file__).parent / "weights"
TREE = Path(__file__).parent.parent  # when it runs from the source tree
BEST_SOUNDFONT = "FluidR3_GM"


@dataclass(frozen=True)
class Finding:
    """One check: its name, whether it passed, what was found, the command that fixes it ('' where none is needed).

    `required` says whether the program cannot score a clip without it.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    required: bool = True


def examine() -> list[Finding]:
    """Run every check, what the program cannot do without first."""
    findings = []
    for check in (*ESSENTIAL, *OPTIONAL):
        try:
            findings += check()
        except Exception as error:  # a broken installation can fail in any way at all
            detail = f"{type(error).__name__}: {_first_line(error)}"
            name = check.__name__.strip("_")
            findings.append(Finding(name, False, detail, _reinstall(), required=check in ESSENTIAL))
    return findings


Check = Callable[[], list[Finding]]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]


def _python() -> list[Finding]:
    wanted = ".".join(map(str, PYTHON))
    return [
        Finding(
            "python",
            sys.version_info >= PYTHON,
            f"{platform.python_version()} at {sys.executable}",
            f"install Python {wanted} or newer and make the environment again: rm -rf .venv && make demo",
        )
    ]


def _torch() -> list[Finding]:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return [Finding("torch", True, f"{torch.__version__} on {device}")]


def _opencv() -> list[Finding]:
    try:
        import cv2
    except ImportError as error:
        return [Finding("opencv", False, str(error), "sudo apt-get install libgl1 libglib2.0-0")]
    return [Finding("opencv", True, cv2.__version__)]


def _codecs() -> list[Finding]:
    import av

    def is_there(codec: str, mode: Literal["r", "w"]) -> bool:
        try:
            av.codec.Codec(codec, mode)
        except ValueError:  # PyAV's UnknownCodecError is one
            return False
        return True

    missing = [name for name in DECODERS if not is_there(name, "r")]
    missing += [name for name in ENCODERS if not is_there(name, "w")]
    detail = f"PyAV {av.__version__}" + (f" without {', '.join(missing)}" if missing else "")
    return [Finding("codecs", not missing, detail, _pip("--force-reinstall --only-binary av av"))]


def _synthesizer() -> list[Finding]:
    from emotion.midi import synthesis

    found = synthesis.synthesizer()
    ok = found.startswith("FluidSynth")
    detail = found if ok else f"libfluidsynth is not here: {found} plays instead, more plainly"
    return [Finding("synthesizer", ok, detail, _library("libfluidsynth3", "fluid-synth"), required=False)]


def _soundfont() -> list[Finding]:
    from emotion.errors import SoundError
    from emotion.midi.soundfont import find_soundfont

    fix = _library("fluid-soundfont-gm", "")
    try:
        font = find_soundfont()
    except SoundError as error:
        return [Finding("soundfont", False, str(error), fix)]
    if font.stem == BEST_SOUNDFONT:
        return [Finding("soundfont", True, str(font))]
    return [Finding("soundfont", False, f"{font.name} plays; {BEST_SOUNDFONT} sounds better", fix, required=False)]


def _open_clip() -> list[Finding]:
    from emotion.runtime import make_torchvision_importable
    from video2music.features.encoders import ENCODERS

    name = "open_clip"
    users = " and ".join(spec.name for spec in ENCODERS.values() if name in spec.packages)
    only = f"only the encoders {users} need it"
    if importlib.util.find_spec("open_clip") is None:
        return [Finding(name, False, f"not installed; {only}", _pip("open_clip_torch"), required=False)]
    try:
        make_torchvision_importable()
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        reason = _first_line(error)
        fault = (
            f"torchvision was built for another torch, most likely for CUDA next to a torch for the CPU ({reason})"
            if "torchvision::" in reason
            else f"torchvision cannot be imported ({reason})"
        )
        return [Finding(name, False, f"{fault}; {only}", _matching_torchvision(), required=False)]
    return [
        Finding(name, True, f"{version('open_clip_torch')} with torchvision {version('torchvision')}", required=False)
    ]


def _matching_torchvision() -> str:
    """The command that installs torch and torchvision from one index, in the versions that are here."""
    import torch

    # Both at the versions that are here: newer ones could break what else needs torch.
    pins = " ".join(f"{name}=={version(name).split('+')[0]}" for name in ("torch", "torchvision"))
    index = "" if torch.version.cuda else f" --index-url {CPU_INDEX}"
    return _pip(f"--force-reinstall --no-deps {pins}{index}")


def _encoders() -> list[Finding]:
    from video2music.features.encoders import ENCODERS

    return [
        Finding(
            f"encoder {spec.name}",
            spec.is_available(),
            str(spec.remote.path) if spec.is_available() else f"not downloaded ({spec.remote.megabytes} MB)",
            f"video2music download {spec.name}",
            required=False,
        )
        for spec in ENCODERS.values()
        if spec.remote
    ]


def _weights() -> list[Finding]:
    from emotion.checkpoint import SHIPPED as JUDGES_SHIPPED
    from emotion.judge import JUDGES

    judges = [*(spec.weights for spec in JUDGES.values()), *(JUDGES_SHIPPED / name for name in TAGGERS)]
    return [_checkpoint(WEIGHTS / name) for name in SHIPPED] + [_checkpoint(folder) for folder in judges]


def _checkpoint(shipped: Path) -> Finding:
    """Whether the weights of a model can be read: those that ship, or those of V2M_WEIGHTS in their place."""
    from emotion import checkpoint
    from emotion.errors import CheckpointError

    kind, folder = shipped.name, checkpoint.weights_folder(shipped)
    try:
        found = checkpoint.load(folder, kind=kind)
    except CheckpointError as error:
        fix = f"git checkout -- {shlex.quote(str(folder))}" if _in_tree() else _reinstall()
        if folder != shipped:
            fix = "unset V2M_WEIGHTS"
        return Finding(f"weights {kind}", False, str(error), fix)
    where = "" if folder == shipped else f" of {folder}"
    return Finding(f"weights {kind}", True, f"{len(found.tensors)} tensors{where}, sha256 {found.sha256[:12]}")


def _extras() -> list[Finding]:
    findings = []
    for package, extra, what in (
        ("gradio", "app", "pages in the browser"),
        ("ray", "ray", "batches over several machines"),
    ):
        try:
            findings.append(Finding(package, True, version(package), required=False))
        except PackageNotFoundError:
            source = f"-c constraints.txt -e '.[{extra}]'" if _in_tree() else f"'video2music[{extra}]'"
            detail = f"not installed; only {what} need it"
            findings.append(Finding(package, False, detail, _pip(source), required=False))
    return findings


def _disk() -> list[Finding]:
    places = {"working folder": Path.cwd(), "temporary folder": Path(tempfile.gettempdir())}
    return [
        Finding(
            f"disk of the {name}",
            free >= FREE_BYTES,
            f"{free / 1e9:.1f} GB free at {place}",
            f"make room, or work elsewhere ({FREE_BYTES / 1e9:.0f} GB let an hour of video through)",
            required=False,
        )
        for name, place in places.items()
        for free in (shutil.disk_usage(place).free,)
    ]


def _cache() -> list[Finding]:
    from video2music.features.cache import cache_folder

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # permissions alone do not say it: the disk may be read-only
            pass
    except OSError as error:
        detail = f"{folder} cannot be written ({error.strerror}): the features of every clip are computed again"
        return [Finding("cache", False, detail, "export V2M_CACHE=FOLDER, one that is yours", required=False)]
    return [Finding("cache", True, str(folder), required=False)]


ESSENTIAL: tuple[Check, ...] = (_python, _torch, _opencv, _codecs, _synthesizer, _soundfont, _weights)
OPTIONAL: tuple[Check, ...] = (_open_clip, _encoders, _extras, _disk, _cache)


def _pip(arguments: str) -> str:
    return f"{shlex.quote(sys.executable)} -m pip install {arguments}"


def _reinstall() -> str:
    return "rm -rf .venv && make demo" if _in_tree() else _pip("--force-reinstall video2music")


def _in_tree() -> bool:
    return (TREE / "pyproject.toml").is_file()


def _library(debian: str, homebrew: str) -> str:
    if sys.platform == "darwin":
        return f"brew install {homebrew}" if homebrew else ""
    return f"sudo apt-get install {debian}"
