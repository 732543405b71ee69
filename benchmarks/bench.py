"""How fast and how lean the product is, stage by stage: `make bench`, or `python benchmarks/bench.py [CLIP]`.

Without CLIP it takes `clips/bbb_480p_30s.mp4` from the folder in V2M_DATA (default ../shared), or else the demo clip.
Every command runs in a process of its own; ratios compare figures of the same run. Writes `results.json` and
`results.md` beside this file.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from page import page

HERE = Path(__file__).resolve().parent
REPEATS = 3
HOUR_S = 3600
CHORDS = 300
SEARCHED_S = (10, 30, 60)
BATCH_CLIPS, BATCH_S, BATCH_REPEATS = 50, 5, 1

Row = dict[str, list[float]]


def main() -> None:
    """Measure everything, print the table and keep it."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("clip", nargs="?", type=Path)
    arguments.add_argument("--quick", action="store_true", help="leave out the hour of video")
    arguments.add_argument("--only", choices=sorted(ALONE), help="measure this and print it; no file is written")
    given = arguments.parse_args()
    if given.only:
        with tempfile.TemporaryDirectory() as folder:
            rows = {given.only: {name: _summary(values) for name, values in ALONE[given.only](Path(folder)).items()}}
        print(_table({"machine": f"{os.cpu_count()} cores", "rows": rows}))
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ["V2M_CACHE"] = str(work / "cache")
        clip = given.clip or _standard_clip(work)
        rows = {"start-up": start_up(), f"clip {clip.name}": whole_clip(clip, work), f"{CHORDS} chords": chords()}
        rows |= {"search": searching(), "judging": judging(), "page": page(work), "batch": batches(work)}
        rows |= {} if given.quick else {"memory": memory(work)}
    report = {
        "task": "speed",
        "data": clip.name,
        "split": None,
        "seeds": list(range(REPEATS)),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores",
        "rows": {name: {metric: _summary(values) for metric, values in row.items()} for name, row in rows.items()},
    }
    (HERE / "results.json").write_text(json.dumps(report, indent=2) + "\n")
    (HERE / "results.md").write_text(_table(report))
    print(_table(report))


def start_up() -> Row:
    """Seconds of processes that do nothing but begin."""
    load = "from video2music.pipeline import load_models; load_models()"
    return {
        "--help s": _times([sys.executable, "-m", "video2music", "--help"]),
        "emotion --help s": _times([sys.executable, "-m", "emotion", "--help"]),
        "imports and weights s": _times([sys.executable, "-c", load]),
    }


def whole_clip(clip: Path, work: Path) -> Row:
    """Seconds a stage after start-up, and all of them over (decoding once + rendering once), in the same process."""
    from emotion.midi import synthesis
    from video2music.media.clip import frames
    from video2music.options import Options
    from video2music.pipeline import compose, load_models

    load_models()
    rows: Row = {}
    for repeat in range(REPEATS):
        os.environ["V2M_CACHE"] = str(work / f"cache-{repeat}")  # so that watching is never a memory of watching
        began = time.perf_counter()
        result = compose(clip, work / f"clip-{repeat}", Options(encoder="color", candidates=1))
        total = time.perf_counter() - began
        decode = _seconds(lambda: sum(1 for _ in frames(clip)))
        render = _seconds(lambda result=result: list(synthesis.render(result.midi, duration_s=result.duration_s)))
        figures = {f"{stage} s": seconds for stage, seconds in result.seconds.items()}
        figures |= {"all s": total, "decode once s": decode, "render once s": render}
        figures["all over decode + render"] = total / (decode + render)
        for name, value in figures.items():
            rows.setdefault(name, []).append(value)
    return rows


def searching() -> Row:
    """Seconds from what was seen to a composition, one candidate and as many as by default, by the clip's length."""
    import emotion.judge
    from emotion.affect import emotions_at, expected_point
    from video2music import pipeline
    from video2music.options import Options
    from video2music.values import VideoFeatures

    pipeline.load_models()
    emotion.judge.load(pipeline.SELECTING_JUDGE)
    rng = np.random.default_rng(0)
    rows: Row = {}
    for seconds in SEARCHED_S:
        emotions = emotions_at(rng.uniform(-0.6, 0.6, (seconds, 2)))
        motion, offsets = rng.uniform(0, 30, seconds).astype(np.float32), np.arange(seconds, dtype=np.float32) % 7
        seen = VideoFeatures(float(seconds), "bench", emotions, motion, offsets, expected_point(emotions))
        for count in (1, Options().candidates):
            runs = [_seconds(lambda: pipeline.compose_piece(seen, Options(candidates=count))) for _ in range(REPEATS)]  # noqa: B023
            rows[f"{seconds} s of clip, {count} candidates s"] = runs
    return rows


def judging() -> Row:
    """Seconds in which each judge, once loaded, hears a minute of sound."""
    from emotion.evaluate import sound

    runs = [sound.prediction_s(repeats=1) for _ in range(REPEATS)]
    return {f"60 s, {name} s": [run[name] for run in runs] for name in runs[0]}


def batches(work: Path) -> Row:
    """Seconds of a batch with one worker and with two, one thread each, in turn, and how many times the rate two have.

    `of a core` is the processor's time, which says on a busy machine whether two workers do more than one in all.
    """
    folder, rows = work / "batch", {}
    folder.mkdir()
    for number in range(BATCH_CLIPS):
        _long_clip(folder / f"{number}.mp4", BATCH_S)
    for repeat in range(BATCH_REPEATS):
        for workers in (1, 2):
            seconds, spent = _batch(folder, work / f"batch-{workers}-{repeat}", workers)
            rows.setdefault(f"{BATCH_CLIPS} clips of {BATCH_S} s, {workers} workers s", []).append(seconds)
            rows.setdefault(f"{workers} workers, s of a core", []).append(spent)
        one, two = (rows[f"{BATCH_CLIPS} clips of {BATCH_S} s, {workers} workers s"][-1] for workers in (1, 2))
        rows.setdefault("times the rate with two", []).append(one / two)
    return rows


def _batch(folder: Path, out: Path, workers: int) -> tuple[float, float]:
    """Seconds by the clock and of a core, start-up included, of a batch that has watched nothing before."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "V2M_CACHE": str(out / "cache")}
    options = ["-o", str(out), "--workers", str(workers), "--encoder", "color"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "video2music", "batch", str(folder), *options],
        check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def chords() -> Row:
    """Seconds for 300 chords: shipped, the paper's dimensions, and those without a cache as in the reference."""
    import torch

    from video2music.model import amt, decode
    from video2music.model.attention import CONFIGS
    from video2music.model.video import collate

    rng = np.random.default_rng(0)
    picture = collate([(rng.normal(size=(CHORDS, 768)), rng.dirichlet(np.ones(6), CHORDS), rng.random((CHORDS, 2)))])
    rules = (decode.OnlyChords(), decode.MaxRepeat(4), decode.Temperature(1.0), decode.TopP(0.95))
    models = {"shipped s": amt.load()[0], "paper s": amt.AMT(CONFIGS["paper"]).eval()}

    def cached(model: amt.AMT) -> float:
        generator = torch.Generator().manual_seed(0)
        writer = decode.ChordWriter(model, picture, minor=True, filters=rules, generator=generator)
        return _seconds(lambda: writer.write_until(CHORDS))

    rows: Row = {name: [cached(model) for _ in range(REPEATS)] for name, model in models.items()}
    rows["paper, the reference's way s"] = [_seconds(lambda: _without_cache(models["paper s"], picture, rules))]
    rows["times faster than the reference's way"] = [
        rows["paper, the reference's way s"][0] / float(np.median(rows["paper s"]))
    ]
    return rows


def _without_cache(model, picture, rules) -> None:
    """Encoder and whole prefix again at every step."""
    import torch

    from video2music.chords import PAD

    generator, ids = torch.Generator().manual_seed(0), [PAD]
    with torch.inference_mode():
        while len(ids) <= CHORDS:
            logits = model(torch.tensor([ids]), torch.tensor([True]), picture)[0, -1]
            for rule in rules:
                logits = rule(logits, ids[1:])
            ids.append(int(torch.multinomial(logits.softmax(-1), 1, generator=generator)))


def memory(work: Path) -> Row:
    """Peak resident MB of scoring five minutes and an hour of video."""
    rows: Row = {}
    for name, seconds in (("five minutes", 300), ("an hour", HOUR_S)):
        clip = _long_clip(work / f"{seconds}.mp4", seconds)
        command = [sys.executable, "-m", "video2music", "generate", str(clip), "-o", str(work / "long")]
        began = time.perf_counter()
        peak = _peak_mb([*command, "--encoder", "color"])
        rows[f"{name} MB"], rows[f"{name} s"] = [peak], [time.perf_counter() - began]
    return rows


def _long_clip(path: Path, seconds: int) -> Path:
    """A clip of moving noise with a cut every 20 s, 320x180 at 10 fps."""
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 180))
    rng = np.random.default_rng(0)
    for second in range(seconds):
        if second % 20 == 0:
            scene = cv2.resize(rng.integers(0, 255, (18, 32, 3), np.uint8), (640, 180))
        for frame in range(10):
            shift = (second % 20) * 10 + frame
            writer.write(np.ascontiguousarray(scene[:, shift : shift + 320]))
    writer.release()
    return path


def _standard_clip(work: Path) -> Path:
    shared = Path(os.environ.get("V2M_DATA", HERE.parent.parent / "shared")) / "clips/bbb_480p_30s.mp4"
    if shared.is_file():
        return shared
    from video2music.demo import draw

    return draw(work / "demo.mp4")


def _times(command: list[str]) -> list[float]:
    def run() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    run()  # once to fill the disk cache
    return [_seconds(run) for _ in range(REPEATS)]


def _peak_mb(command: list[str]) -> float:
    """Largest resident set of a child process, in MB."""
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1]) / 1024


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _summary(values: list[float]) -> dict[str, object]:
    """Of one figure's runs; low and high are the least and the greatest."""
    return {
        "mean": float(np.mean(values)),
        "median": float(np.median(values)),
        "low": min(values),
        "high": max(values),
        "seeds": values,
    }


def _commit() -> str | None:
    from emotion.report import commit

    return commit()


def _table(report: dict) -> str:
    lines = [
        "# Speed and memory",
        "",
        f"`make bench` on {report['machine']}: median [lowest, highest] of up to {REPEATS} runs.",
        "",
    ]
    for name, row in report["rows"].items():
        lines += [f"| {name} | median | lowest | highest |", "|---|---|---|---|"]
        lines += [f"| {metric} | {v['median']:.3g} | {v['low']:.3g} | {v['high']:.3g} |" for metric, v in row.items()]
        lines.append("")
    return "\n".join(lines)


ALONE = {"batch": batches, "memory": memory, "page": page}


if __name__ == "__main__":
    main()
