"""Quick stand-ins for `pipeline.compose`, and, as a program, a batch over them that a test can kill."""

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from emotion.checkpoint import file_sha256
from video2music.batch.jobs import Job, Shard, find, plan
from video2music.batch.running import Batch
from video2music.batch.workers import LocalWorker
from video2music.errors import MediaError
from video2music.options import Options, Result
from video2music.output import atomic_output_dir, claim

WORK_S = 0.03


def quick(threads: int) -> Callable[..., Result]:
    """A composer that does what the clip's text says, and otherwise writes files that follow from its bytes."""
    return compose


def broken(threads: int) -> Callable[..., Result]:
    """What a machine without the models has."""
    raise ImportError("no model here")


def compose(clip: Path, out: Path, options: Options, *, name: str | None = None) -> Result:
    """As pipeline.compose, of clips that are text: crash, hang, fail or anything else."""
    text = clip.read_text()
    _DOES.get(text.split(":")[0], lambda: None)()
    output = claim(out, clip, name=name)
    with atomic_output_dir(output) as folder:
        made = folder / output.stem
        for suffix in ("scored.mp4", "wav", "mid"):
            made.with_name(f"{made.name}.{suffix}").write_bytes(_bytes(clip, options, suffix))
            time.sleep(WORK_S / 3)
        told = {"input": {"path": str(clip), "sha256": file_sha256(clip)}, "files": []}
        made.with_name(f"{made.name}.json").write_text(json.dumps(told))
    base = output.folder / output.stem
    kinds = {kind: base.with_name(f"{base.name}.{suffix}") for kind, suffix in _SUFFIXES.items()}
    return Result(**kinds, duration_s=1.0)


_SUFFIXES = {
    "video": "scored.mp4", "audio": "wav", "midi": "mid", "manifest": "json", "chords": "lab", "chart": "txt",
    "lead_sheet": "musicxml",
}  # fmt: skip


def _bytes(clip: Path, options: Options, suffix: str) -> bytes:
    seed = f"{file_sha256(clip)} {asdict(options)} {suffix}"
    return b"".join(hashlib.sha256(f"{seed} {block}".encode()).digest() for block in range(64))


def _fail() -> None:
    raise MediaError("the clip is too sad to be scored: choose another")


def _stumble() -> None:
    raise ZeroDivisionError("division by zero")


_DOES = {
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "hang": lambda: time.sleep(600),
    "fail": _fail,
    "stumble": _stumble,
    "exit": lambda: os._exit(3),
}


def main() -> None:
    """Run a batch over a folder: IN OUT [SHARD]."""
    clips, out, *shard = sys.argv[1:]
    jobs = plan(Job(clip, Options()) for clip in find([clips], Path(out)))
    start_worker = partial(LocalWorker, threads=1, load=quick)
    Batch(jobs, Path(out), start_worker=start_worker, workers=2, shard=Shard.parse(shard[0]) if shard else None).run()


if __name__ == "__main__":
    main()
