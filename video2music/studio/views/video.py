"""The analysis of a clip: a strip of pictures, the cuts, valence and arousal of the picture, and its motion."""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np

from emotion.metrics import AXES
from emotion.svg import clock, exact, markup
from video2music.media import clip as media
from video2music.studio.text import counted, emotion_words
from video2music.studio.views import timeline
from video2music.studio.views.timeline import HEIGHT, SPAN, across, label
from video2music.values import Cut, VideoFeatures

MOST = 10  # pictures of a strip
SLIVER = 0.04  # of the width: a scene this short gets no picture of its own
QUALITY = 78  # of a JPEG, 0..100
STILL = 10.0  # of motion, 0..255: a clip that never moves more is not drawn as if it did

PREDICTED_FROM = MappingProxyType({
    "color": "colour, light and motion",
    "clip": "what CLIP recognises",
    "clip-small": "what CLIP recognises",
})  # fmt: skip

STYLE = """
.v2m .strip { position: relative; display: flex; border-radius: 6px; overflow: hidden; margin-bottom: .45em; }
.v2m .strip img { flex: 1 1 0; min-width: 0; height: 4.6em; object-fit: cover; margin: 0; border-radius: 0; }
.v2m .strip svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.v2m .strip path { vector-effect: non-scaling-stroke; stroke-width: 2; }
.v2m polygon.moved { fill: currentColor; fill-opacity: .28; } .v2m b.moved { opacity: .45; }
.v2m .cuts { height: 1em; } .v2m .lane.cuts i { color: var(--cut); }
@container (max-width: 560px) { .v2m .strip img { height: 3.4em; } }
"""


@dataclass(frozen=True)
class Thumbnail:
    """A small picture that stands for the time from start_s to end_s, from its middle, as the bytes of a JPEG."""

    start_s: float
    end_s: float
    jpeg: bytes


def thumbnails(
    clip: Path, features: VideoFeatures, *, most: int = MOST, progress: Callable[[float], None] = lambda fraction: None
) -> tuple[Thumbnail, ...]:
    """Upright pictures for a strip of what was features, each of one scene. Decodes the clip once.

    `progress` is called with the fraction that is done, and stops the work by raising. Raises MediaError.
    """
    from video2music.features.pixels import Scaler, upright

    rotation, scaler = media.probe(clip).rotation, Scaler()
    spans = list(pairwise(edges(features, most)))
    shown = _shown_at(
        _reporting(media.frames(clip), features.duration_s, progress),
        [(start_s + end_s) / 2 for start_s, end_s in spans],
    )
    return tuple(
        Thumbnail(*span, _jpeg(upright(scaler.small(frame.picture), rotation)))
        for span, frame in zip(spans, shown, strict=False)
    )


def edges(features: VideoFeatures, most: int) -> list[float]:
    """Times in s from 0 to the end that divide what was features into `most` parts, each of which lies in one scene.

    Of cuts that leave less than SLIVER between them the stronger one counts, and of very many the strongest half.
    """
    scenes, many = [0.0, features.duration_s], max(most // 2, min(most, 2))
    for cut in sorted(features.cuts, key=lambda cut: -cut.strength):
        apart = min(abs(cut.time_s - edge) for edge in scenes)
        if len(scenes) <= many and apart >= SLIVER * features.duration_s:
            scenes.append(cut.time_s)
    parts = [[start, end] for start, end in pairwise(sorted(scenes))]
    counts = [1] * len(parts)
    while sum(counts) < most:
        widest = max(range(len(parts)), key=lambda place: (parts[place][1] - parts[place][0]) / counts[place])
        counts[widest] += 1
    inner = [
        start + (end - start) * number / count
        for (start, end), count in zip(parts, counts, strict=True)
        for number in range(count)
    ]
    return [*inner, features.duration_s]


def _reporting(
    frames: Iterable[media.Frame], duration_s: float, progress: Callable[[float], None]
) -> Iterator[media.Frame]:
    """The same frames; `progress` is called at every second of them."""
    second = 0
    for frame in frames:
        if frame.time_s >= second:
            second = int(frame.time_s) + 1
            progress(min(frame.time_s / duration_s, 1.0))
        yield frame


def _shown_at(frames: Iterable[media.Frame], times_s: Sequence[float]) -> Iterator[media.Frame]:
    """The frame that is shown at each of rising times."""
    waiting = list(reversed(times_s))
    for frame in frames:
        while waiting and waiting[-1] < frame.end_s:
            waiting.pop()
            yield frame
        if not waiting:
            return


def _jpeg(pixels: np.ndarray) -> bytes:
    """A picture (h, w, 3) BGR."""
    import cv2

    return bytes(cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1])


def view(features: VideoFeatures, pictures: Sequence[Thumbnail] = ()) -> str:
    """HTML of the features of a clip; `pictures` are those of `thumbnails`."""
    lasting_s = features.duration_s
    return timeline.view(
        "analysis of the clip",
        timeline.sentence(summary(features)),
        timeline.legend(
            *timeline.AXIS_LEGEND,
            ("block moved", "motion"),
            *([("cut", "cut")] if features.cuts else []),
        ),
        timeline.lanes(
            lasting_s,
            _strip(pictures, features),
            _cut_times(features.cuts, lasting_s),
            _feeling(features),
            _movement(features),
        ),
        style=STYLE,
    )


def summary(features: VideoFeatures) -> str:
    """Length, cuts and emotion of the clip, as plain text."""
    source = PREDICTED_FROM.get(features.encoder, features.encoder)
    return (
        f"{clock(features.duration_s)} with {counted(len(features.cuts), 'cut')}. Overall the picture is "
        f"{emotion_words(*features.affect.mean(0))}, predicted from {source}."
    )


def _strip(pictures: Sequence[Thumbnail], features: VideoFeatures) -> str:
    if not pictures:
        return ""
    shown = "".join(_picture(one, features.duration_s) for one in pictures)
    marks = timeline.cut_marks((cut.time_s for cut in features.cuts), features.duration_s)
    over = f'<svg viewBox="0 0 {SPAN} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{marks}</svg>'
    return f'<div class="strip">{shown}{over}</div>'


def _picture(one: Thumbnail, lasting_s: float) -> str:
    """A picture that is as wide as its time is long."""
    source = f"data:image/jpeg;base64,{base64.b64encode(one.jpeg).decode()}"
    width = across(one.end_s - one.start_s, lasting_s)
    title = f"at {exact((one.start_s + one.end_s) / 2)}"
    return f'<img src="{source}" alt="{title}" style="flex-grow:{width:.1f}"/>'


def _cut_times(cuts: Sequence[Cut], lasting_s: float) -> str:
    """The times of the strongest cuts that have room."""
    if not cuts:
        return ""
    ranked = sorted(cuts, key=lambda cut: -cut.strength)
    kept = timeline.with_room([cut.time_s / lasting_s for cut in ranked])
    labels = "".join(label(ranked[place].time_s / lasting_s, exact(ranked[place].time_s)) for place in kept)
    title = f"cuts at {timeline.listed([exact(cut.time_s) for cut in cuts])}"
    return f'<div class="lane cuts" role="img" aria-label="{markup(title)}">{labels}</div>'


def _feeling(features: VideoFeatures) -> str:
    lasting_s = features.duration_s
    curves = [
        timeline.curve(timeline.seconds(row, lasting_s), lasting_s, name)
        for name, row in zip(AXES, np.clip(features.affect, -1, 1).T, strict=True)
    ]
    title = "valence and arousal of the picture over time"
    cuts = timeline.cut_marks((cut.time_s for cut in features.cuts), lasting_s)
    return timeline.plane_lane(title, [cuts, *curves], height_em=7)


def _movement(features: VideoFeatures) -> str:
    """An area whose height is the motion, on a scale up to its own maximum."""
    most = max(STILL, float(features.motion.max()))
    points = " ".join(
        f"{across(time_s, features.duration_s):.1f},{HEIGHT * (1 - value / most):.1f}"
        for time_s, value in timeline.seconds(features.motion, features.duration_s)
    )
    area = f'<polygon class="moved" points="0,{HEIGHT} {points} {SPAN},{HEIGHT}"/>'
    title = f"motion over time: mean change of a pixel from one picture to the next, up to {most:.0f} of 255"
    return timeline.lane(title, [area, f'<path class="grid" d="M0 {HEIGHT}h{SPAN}"/>'], height_em=3)
