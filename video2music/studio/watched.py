"""What was watched: a strip of pictures, the cuts, valence and arousal of the picture, and how much it moves."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotion.metrics import AXES
from video2music import media
from video2music.studio import timeline
from video2music.studio.timeline import HEIGHT, SPAN, across, label
from video2music.studio.wording import counted, feels
from video2music.svg import clock, exact, markup
from video2music.values import Cut, VideoFeatures

MOST = 12  # pictures of a strip
QUALITY = 78  # of a JPEG, 0..100
STILL = 10.0  # of motion, 0..255: a clip that never moves more is not drawn as if it did

STYLE = """
.v2m .strip { position: relative; display: flex; border-radius: 6px; overflow: hidden; margin-bottom: .45em; }
.v2m .strip img { flex: 1 1 0; width: 0; min-width: 0; height: 4.6em; object-fit: cover; margin: 0; border-radius: 0; }
.v2m .strip svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.v2m .strip path { vector-effect: non-scaling-stroke; stroke-width: 2; }
.v2m polygon.moved { fill: currentColor; fill-opacity: .28; } .v2m b.moved { opacity: .45; }
.v2m .cuts { height: 1em; } .v2m .lane.cuts i { color: var(--cut); }
@container (max-width: 760px) { .v2m .strip img:nth-child(even) { display: none; } }
"""


@dataclass(frozen=True)
class Thumbnail:
    """A small picture, shown at time_s, as the bytes of a JPEG."""

    time_s: float
    jpeg: bytes


def thumbnails(clip: Path, seen: VideoFeatures, *, most: int = MOST) -> tuple[Thumbnail, ...]:
    """Pictures from the middles of so many equal parts of what was seen, upright. Decodes the clip once: MediaError."""
    from video2music.features.pixels import Scaler, upright

    rotation, scaler = media.probe(clip).rotation, Scaler()
    times_s = [seen.duration_s * (place + 0.5) / most for place in range(most)]
    return tuple(
        Thumbnail(time_s, _jpeg(upright(scaler.small(frame.picture), rotation)))
        for time_s, frame in _shown_at(media.frames(clip), times_s)
    )


def _shown_at(frames: Iterable[media.Frame], times_s: Sequence[float]) -> Iterator[tuple[float, media.Frame]]:
    """The frame that is shown at each of rising times."""
    waiting = list(reversed(times_s))
    for frame in frames:
        while waiting and waiting[-1] < frame.end_s:
            yield waiting.pop(), frame
        if not waiting:
            return


def _jpeg(pixels: np.ndarray) -> bytes:
    """A picture (h, w, 3) BGR."""
    import cv2

    return bytes(cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1])


def view(seen: VideoFeatures, pictures: Sequence[Thumbnail] = ()) -> str:
    """HTML of all that was watched; `pictures` are those of `thumbnails`."""
    lasting_s = seen.duration_s
    return timeline.view(
        "what was watched",
        timeline.sentence(summary(seen)),
        timeline.legend(
            ("valence", "valence: unpleasant to pleasant"),
            ("arousal", "arousal: calm to excited"),
            ("block moved", "movement"),
            *([("cut", "cut")] if seen.cuts else []),
        ),
        timeline.lanes(
            lasting_s,
            _strip(pictures, seen),
            _cut_times(seen.cuts, lasting_s),
            _feeling(seen),
            _movement(seen),
        ),
        style=STYLE,
    )


def summary(seen: VideoFeatures) -> str:
    """How long the clip is, how many cuts it has and how it feels, as plain text."""
    return (
        f"{clock(seen.duration_s)} with {counted(len(seen.cuts), 'cut')}. On the whole the picture feels "
        f"{feels(*seen.affect.mean(0))}, as the encoder {seen.encoder} sees it."
    )


def _strip(pictures: Sequence[Thumbnail], seen: VideoFeatures) -> str:
    if not pictures:
        return ""
    shown = "".join(
        f'<img src="data:image/jpeg;base64,{base64.b64encode(one.jpeg).decode()}" alt="at {exact(one.time_s)}"/>'
        for one in pictures
    )
    marks = timeline.cut_marks((cut.time_s for cut in seen.cuts), seen.duration_s)
    over = f'<svg viewBox="0 0 {SPAN} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{marks}</svg>'
    return f'<div class="strip">{shown}{over}</div>'


def _cut_times(cuts: Sequence[Cut], lasting_s: float) -> str:
    """The times of the strongest cuts that have room."""
    if not cuts:
        return ""
    ranked = sorted(cuts, key=lambda cut: -cut.strength)
    kept = timeline.with_room([cut.time_s / lasting_s for cut in ranked])
    labels = "".join(label(ranked[place].time_s / lasting_s, exact(ranked[place].time_s)) for place in kept)
    told = f"cuts at {', '.join(exact(cut.time_s) for cut in cuts)}"
    return f'<div class="lane cuts" role="img" aria-label="{markup(told)}">{labels}</div>'


def _feeling(seen: VideoFeatures) -> str:
    lasting_s = seen.duration_s
    curves = [
        timeline.curve(timeline.seconds(row, lasting_s), lasting_s, name)
        for name, row in zip(AXES, np.clip(seen.affect, -1, 1).T, strict=True)
    ]
    told = "valence and arousal of the picture over time"
    parts = [timeline.PLANE_GRID, timeline.cut_marks((cut.time_s for cut in seen.cuts), lasting_s), *curves]
    return timeline.lane(told, parts, height_em=7, beside=timeline.PLANE_LEVELS)


def _movement(seen: VideoFeatures) -> str:
    """An area whose height is the motion, on a scale up to its own maximum."""
    most = max(STILL, float(seen.motion.max()))
    points = " ".join(
        f"{across(time_s, seen.duration_s):.1f},{HEIGHT * (1 - value / most):.1f}"
        for time_s, value in timeline.seconds(seen.motion, seen.duration_s)
    )
    area = f'<polygon class="moved" points="0,{HEIGHT} {points} {SPAN},{HEIGHT}"/>'
    told = f"movement over time: mean change of a pixel from one picture to the next, up to {most:.0f} of 255"
    return timeline.lane(told, [area, f'<path class="grid" d="M0 {HEIGHT}h{SPAN}"/>'], height_em=3)
