"""The predicted emotion of any music: on the valence-arousal plane, over time, and in words; and a target alike."""

import numpy as np

from emotion import alignment
from emotion.affect import QUADRANTS
from emotion.metrics import AXES
from emotion.svg import CORNERS, clock, markup
from emotion.values import AffectCurve, EmotionReport
from video2music.studio.text import emotion_words, percent
from video2music.studio.views import timeline
from video2music.studio.views.timeline import across, down

MOST_DOTS = 60  # on a curve: of more windows the line alone is drawn

STYLE = (
    timeline.PLANE_STYLE
    + """
.v2m .shares { display: grid; grid-template-columns: max-content 1fr 3.2em; gap: 3px 10px; align-items: center;
  max-width: 34em; margin: .2em 0 .8em; font-size: 13px; }
.v2m .shares div { height: 9px; border-radius: 5px; background: var(--faint); overflow: hidden; }
.v2m .shares div b { display: block; height: 100%; background: var(--music); }
.v2m .shares span:nth-child(3n) { text-align: right; font-variant-numeric: tabular-nums; }
"""
)


def view(report: EmotionReport) -> str:
    """HTML of a report on any music."""
    lasting_s = max(report.whole.end_s, 1e-3)
    places = alignment.predicted_points(report)
    curves = [curve(report, axis, lasting_s, style=axis) for axis in AXES]
    title = "valence and arousal of the music over time"
    lane = timeline.plane_lane(title, curves, height_em=11)
    return timeline.view(
        "predicted emotion of the music",
        *(timeline.sentence(text) for text in sentences(report)),
        _shares(report),
        timeline.legend(*timeline.AXIS_LEGEND),
        f'<div class="pair">{timeline.lanes(lasting_s, lane)}'
        f"{timeline.plane('path of the music on the valence-arousal plane', (places, 'music'))}</div>",
        style=STYLE,
    )


def target_view(target: AffectCurve) -> str:
    """HTML of a target without a prediction: the plane and the curve over time, one row a second."""
    lasting_s = float(len(target))
    curves = [
        timeline.curve(timeline.seconds(row, lasting_s), lasting_s, name)
        for name, row in zip(AXES, target.points.T, strict=True)
    ]
    title = "target valence and arousal over time"
    lane = timeline.plane_lane(title, curves, height_em=11)
    drawn = timeline.plane("the target on the plane", (target.points, "picture"))
    return timeline.view(
        "target emotion",
        timeline.sentence(f"Overall: {emotion_words(*target.points.mean(0))}."),
        timeline.legend(*timeline.AXIS_LEGEND),
        f'<div class="pair">{timeline.lanes(lasting_s, lane)}{drawn}</div>',
        style=STYLE,
    )


def sentences(report: EmotionReport) -> tuple[str, ...]:
    """The prediction, and what limits it, as plain text."""
    whole = report.whole
    subject = f"{clock(whole.end_s - whole.start_s)} of {report.heard}, predicted by {report.judge}"
    if whole.confidence <= 1 / len(QUADRANTS):
        return (f"{subject}: no emotion can be predicted.", *_remarks(report))
    place = f"valence {whole.valence:+.2f}, arousal {whole.arousal:+.2f}"
    sure = f"The most likely quadrant is {CORNERS[whole.quadrant][-1]}, with {percent(whole.confidence)}"
    return (f"{subject}: overall {emotion_words(whole.valence, whole.arousal)} ({place}). {sure}.", *_remarks(report))


def _remarks(report: EmotionReport) -> tuple[str, ...]:
    return tuple(f"{remark[:1].upper()}{remark[1:]}." for remark in report.remarks)


def _shares(report: EmotionReport) -> str:
    """How likely each quadrant is, as bars."""
    rows = "".join(
        f'<span>{CORNERS[name][-1]}</span><div role="presentation"><b style="width:{100 * share:.1f}%"></b></div>'
        f"<span>{percent(share)}</span>"
        for name, share in zip(QUADRANTS, report.whole.quadrants, strict=True)
    )
    return f'<div class="shares" role="group" aria-label="{markup("how likely each quadrant is")}">{rows}</div>'


def curve(report: EmotionReport, axis: str, lasting_s: float, *, style: str) -> str:
    """One axis of a prediction: a point in the middle of each window, the first and last value held to the ends."""
    middles_s = alignment.spans_s(report).mean(1)
    values = [getattr(window, axis) for window in report.windows]
    points = timeline.thinned(np.stack([middles_s, values], axis=1)).tolist()
    held = [(report.windows[0].start_s, points[0][1]), *points, (report.windows[-1].end_s, points[-1][1])]
    dots = "".join(f"M{across(time_s, lasting_s):.1f} {down(value):.1f}h0" for time_s, value in points)
    marks = f'<path class="points {style}" d="{dots}"/>' if len(points) <= MOST_DOTS else ""
    return timeline.curve(held, lasting_s, style) + marks
