"""A worker for batches that makes small files in no time."""

import json
import threading

from video2music import Result
from video2music.batch.jobs import WorkerLost
from video2music.batch.scoring import Scorer
from video2music.errors import MediaError


def write_down(clip, out, _options, *, name):
    """A composer that makes small files, and refuses what is called bad."""
    folder = out / (name or clip.stem)
    folder.mkdir(parents=True)
    if "bad" in clip.name:
        raise MediaError(f"{clip} is not a video: give another")
    files = {kind: folder / f"{clip.stem}.{kind}" for kind in ("mp4", "wav", "mid", "lab", "txt", "xml", "json")}
    for path in files.values():
        path.write_text(path.name)
    files["json"].write_text(json.dumps({"input": {"path": str(clip)}, "options": {"curve": None}}))
    return Result(*files.values(), duration_s=4.0)


class FakeWorker:
    """A worker in this process; it waits for `gate` before each clip that is not the first."""

    def __init__(self, gate=None):
        self.scorer, self.gate, self.killed = Scorer(lambda threads: write_down, 1), gate, threading.Event()
        self.begun = 0

    def compose(self, job, key, place, timeout_s):
        self.begun += 1
        if self.gate and self.begun > 1:
            self.killed.wait(30)
            raise WorkerLost(f"{job.clip}: the worker was lost")
        return self.scorer.compose(job, key, place)

    def kill(self):
        self.killed.set()
