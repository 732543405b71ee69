"""The report of `evaluate alignment` as one self-contained HTML page: no network, no font, no script.

The template is page.html; charts are SVG whose colours follow the page, light or dark. Every text of the user's is
escaped (`markup`).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Any

from emotion.affect import QUADRANTS
from emotion.alignment import FEWEST, MOST_LAG_S, STILL_SD
from emotion.svg import (
    PLANE,
    Point,
    Trajectory,
    clock,
    dot,
    line,
    markup,
    on_plane,
    plane,
    rule,
    svg,
    ticks_s,
    trajectories,
)
from video2music.evaluate.alignment.evaluation import CHANCE, METRICS, NONE, OWN, format_metric, judge_note

Video = Mapping[str, Any]
"""An entry of `videos` in the report of `evaluate alignment`."""

WIDTH, HEIGHT = 640, 168  # of a curve chart, in SVG units
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 10, 24
TRACK, TRACK_HEIGHT = 300, 44


def curve_chart(video: Video, axis: str) -> str:
    """Target and prediction of one axis over the seconds of a video."""
    windows, curve = video["compared"], video["curve"][axis]
    lasting_s = max(len(curve), windows[-1]["end_s"], 1.0)

    def place(time_s: float, value: float) -> Point:
        across = LEFT + (WIDTH - LEFT - RIGHT) * time_s / lasting_s
        return across, TOP + (HEIGHT - TOP - BOTTOM) * (1 - value) / 2

    middles = [(window["start_s"] + window["end_s"]) / 2 for window in windows]
    target = [place(time_s, window[f"target_{axis}"]) for time_s, window in zip(middles, windows, strict=True)]
    predicted = [place(time_s, window[axis]) for time_s, window in zip(middles, windows, strict=True)]
    seconds = [place(float(at), value) for second, value in enumerate(curve) for at in (second, second + 1)]
    parts = [
        *_levels(place, lasting_s),
        *_ticks(place, lasting_s),
        line(seconds, "second"),
        *(_spans(windows, axis, place) if len(windows) < FEWEST else ()),
        line(target, "picture"),
        line(predicted, "music"),
        *(dot(point, "dot-picture", 3.2) for point in target),
        *(dot(point, "dot-music", 3.4) for point in predicted),
        f'<text x="{LEFT}" y="{TOP - 1}" class="number">{axis}</text>',
    ]
    return svg(WIDTH, HEIGHT, f"{axis} of picture and music over time in {video['name']}", parts)


def _levels(place: Any, lasting_s: float) -> Iterable[str]:
    """Lines across at -1, 0 and 1 with their numbers."""
    for value in (-1, 0, 1):
        (left, y), (right, _) = place(0.0, value), place(lasting_s, value)
        yield rule((left, y), (right, y), "grid" if value else "axis")
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{f"{value:+d}" if value else 0}</text>'


def _ticks(place: Any, lasting_s: float) -> Iterable[str]:
    """Times below the curves."""
    for time_s in ticks_s(lasting_s):
        x, y = place(float(time_s), -1)
        yield f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{clock(time_s)}</text>'


def _spans(windows: Sequence[Mapping[str, Any]], axis: str, place: Any) -> Iterable[str]:
    """How long each of a few windows lasts."""
    for window in windows:
        for name, style in ((f"target_{axis}", "picture span"), (axis, "music span")):
            yield rule(place(window["start_s"], window[name]), place(window["end_s"], window[name]), style)


def trajectory_chart(video: Video) -> str:
    """The ways of picture and music through the plane, window by window; the means are large."""
    windows = video["compared"]
    target = Trajectory([(window["target_valence"], window["target_arousal"]) for window in windows], "picture")
    predicted = Trajectory([(window["valence"], window["arousal"]) for window in windows], "music")
    return trajectories(f"the way of {video['name']} through the plane of valence and arousal", (target, predicted))


def plane_chart(videos: Sequence[Video]) -> str:
    """For every video a numbered line from the mean of its target to the prediction for the whole music."""
    parts = list(plane())
    ends = [(on_plane(video["target_valence"], video["target_arousal"]),
             on_plane(video["predicted_valence"], video["predicted_arousal"])) for video in videos]  # fmt: skip
    parts += [rule(target, predicted, "way") for target, predicted in ends]
    parts += [dot(target, "dot-picture", 4.0) for target, _ in ends]
    parts += [dot(predicted, "dot-music", 4.0) for _, predicted in ends]
    for place, ((x, y), _) in enumerate(ends, 1):
        parts.append(f'<text class="number" x="{x + 6:.1f}" y="{y - 5:.1f}">{place}</text>')
    return svg(PLANE, PLANE, "target and prediction of every video", parts)


def interval_chart(own: Mapping[str, float], chance: Mapping[str, float] | None, bounds: tuple[float, float]) -> str:
    """A metric with its interval, and that of chance below it, on an axis from one bound to the other."""
    low, high = bounds
    zero = [0.0] if low < 0 < high else []

    def across(value: float) -> float:
        return 8 + (TRACK - 16) * (min(max(value, low), high) - low) / (high - low)

    parts = [rule((across(low), 28), (across(high), 28), "grid")]
    parts += [rule((across(at), 2), (across(at), 30), "axis") for at in zero]
    for name, summary, y in (("own", own, 10), ("chance", chance, 20)):
        if summary:
            parts.append(rule((across(summary["low"]), y), (across(summary["high"]), y), f"whisker {name}"))
            parts.append(dot((across(summary["mean"]), y), "dot-music" if name == "own" else "dot-chance", 4.6))
    for at in (low, *zero, high):
        parts.append(f'<text x="{across(at):.1f}" y="41" text-anchor="middle">{at:g}</text>')
    return svg(TRACK, TRACK_HEIGHT, f"{own['mean']:.3f}, from {own['low']:.3f} to {own['high']:.3f}", parts)


TEMPLATE = Path(__file__).parent / "page.html"
# Metric that is drawn with its interval -> label and bounds of the axis
TILES = MappingProxyType({
    "quadrant": ("windows with the target's quadrant", (0.0, 1.0)),
    "match": ("match, 1 is full agreement", (0.0, 1.0)),
    "distance": ("distance on the plane, 0 is full agreement", (0.0, 2.0)),
    "ccc_valence_pooled": ("CCC of valence over all videos", (-1.0, 1.0)),
    "ccc_arousal_pooled": ("CCC of arousal over all videos", (-1.0, 1.0)),
    "rmse_valence": ("RMSE of valence", (0.0, 2.0)),
    "rmse_arousal": ("RMSE of arousal", (0.0, 2.0)),
    "bias_valence": ("bias of valence: prediction minus target", (-1.0, 1.0)),
    "bias_arousal": ("bias of arousal: prediction minus target", (-1.0, 1.0)),
})  # fmt: skip
_ELSEWHERE = ("quadrant_probability", "lag_r_valence", "lag_r_arousal")
BESIDE = tuple(name for name in METRICS if name not in _ELSEWHERE)
"""Metrics in the table and under the curves of a video; JSON and CSV have the others, too."""
QUADRANT_SIGNS = MappingProxyType({"q1": "+V +A", "q2": "−V +A", "q3": "−V −A", "q4": "+V −A"})
SHARES = frozenset({"quadrant"})  # shown in percent
LEGEND = (
    '<p class="legend"><span><i class="is-picture"></i>target: from the picture, or requested</span>'
    '<span><i class="is-music"></i>prediction for the music</span>{chance}</p>'
)
CHANCE_LEGEND = '<span><i class="is-chance"></i>chance: the same music against other videos</span>'
METHOD = (
    "The judge predicts valence (unpleasant to pleasant), arousal (calm to excited), both from -1 to 1, and the "
    "probability of each quadrant for windows of 8 s, one every 4 s. The target of a window is the mean of the "
    "target curve over it. RMSE and bias (prediction minus target) are over the windows. CCC is Lin's concordance "
    "correlation coefficient: 1 for identical curves, 0 for unrelated ones. It is left out where the target hardly "
    "varies (standard deviation below {still:g}) and with fewer than {fewest} windows, too few for a correlation. "
    "The lag is by how many seconds the music follows its target, up to {lag} to either side; at an end of that "
    "range the true lag may lie beyond. The match is the mean of the agreement on the plane and that of the "
    "quadrants. Intervals are 95 % of 2000 bootstrap draws of the videos: rough where there are few, and too narrow "
    "where a video has several musics, as every pair is drawn by itself. Chance is every music against the targets "
    "of all other videos. CCC over all videos weights every video equally."
)


def page(report: Mapping[str, Any]) -> str:
    """The whole page of a report in its JSON form; every text of the user's is escaped."""
    parts = {
        "data": markup(report["data"]),
        "lead": summary_text(report),
        "judge": f"{markup(report['data'])}, judged by <b>{markup(report['judge']['name'])}</b>. "
        f"{markup(judge_note(report))}",
        "overall": _overall_section(report) if report["videos"] else "",
        "videos": _video_section(report["videos"]) if report["videos"] else "",
        "failed": _failed_section(report["failed"]),
        "method": markup(METHOD.format(still=STILL_SD, fewest=FEWEST, lag=MOST_LAG_S)),
        "provenance": _provenance(report),
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(parts)


def summary_text(report: Mapping[str, Any]) -> str:
    """The result in one or two sentences, no stronger than its interval allows."""
    if not report["videos"]:
        return "No music could be judged."
    own = report["rows"][OWN]["quadrant"]["mean"]
    found = f"The music has the target's quadrant in {percent(own)} of the windows of a video"
    chance, gains = report["rows"].get(CHANCE, {}), report["differences"].get(OWN, {})
    if "quadrant" not in chance or "match" not in gains:
        return f"{found}; a chance level takes more videos with other targets."
    against = percent(chance["quadrant"]["mean"])
    return f"{found}; against other videos' targets it is {against}. {_verdict(gains['match'])}"


def _verdict(gain: Mapping[str, float]) -> str:
    text = f"{gain['mean']:+.3f}, 95 % interval {gain['low']:+.3f} to {gain['high']:+.3f}"
    if gain["low"] > 0:
        return f"Its match with its own picture is better than chance ({text})."
    if gain["high"] < 0:
        return f"Its match with its own picture is worse than chance ({text})."
    return f"These videos do not show that it matches its own picture better than another's (match {text})."


def _overall_section(report: Mapping[str, Any]) -> str:
    """The metrics with intervals, the plane of all videos, and the confusion matrices."""
    several = len(report["videos"]) > 1
    rows = report["rows"]
    legend = LEGEND.format(chance=CHANCE_LEGEND if CHANCE in rows else "")
    tiles = [_tile(name, rows[OWN][name], rows.get(CHANCE, {}).get(name)) for name in TILES if name in rows[OWN]]
    plane = (
        '<figure class="card"><h3>Target and prediction</h3>'
        f"{plane_chart(report['videos'])}<figcaption>From the mean target of each picture to the "
        "prediction for the whole music; numbers as below.</figcaption></figure>"
    )
    windows = _confusion(report["confusion"]["windows"], "Target and predicted quadrants, windows")
    wholes = (
        _confusion(report["confusion"]["videos"], "Target and predicted quadrants, whole videos") if several else ""
    )
    return (
        f'<h2>Over all videos</h2>{legend}<div class="tiles">{"".join(tiles)}</div>'
        f'<div class="pair" style="margin-top:16px">{plane}{windows}{wholes}</div>'
    )


def _tile(name: str, own: Mapping[str, float], chance: Mapping[str, float] | None) -> str:
    """A metric, its interval and that of chance."""
    label, bounds = TILES[name]
    between = f"{_format(name, own['low'])} to {_format(name, own['high'])}" if own["low"] < own["high"] else ""
    beside = f"chance {_format(name, chance['mean'])}" if chance else ""
    text = " · ".join(filter(None, (between, beside)))
    return (
        f'<div class="card tile"><span>{markup(label)}</span><b>{_format(name, own["mean"])}</b>'
        f"<small>{text}&nbsp;</small>{interval_chart(own, chance, bounds)}</div>"
    )


def percent(share: float) -> str:
    """A share of 1 in whole percent."""
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def _format(name: str, value: float) -> str:
    sign = "+" if name.startswith("bias") else ""
    return percent(value) if name in SHARES else f"{value:{sign}.2f}"


def _confusion(counts: Sequence[Sequence[int]], title: str) -> str:
    """A confusion matrix, target (rows) by prediction (columns), darker where the share of the row is greater."""
    silent = any(row[-1] for row in counts)
    names = [*QUADRANTS, NONE][: None if silent else -1]
    head = "".join(f'<th scope="col">{_signed(name)}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{_signed(name)}</th>{"".join(_cells(row[: len(names)], place))}</tr>'
        for place, (name, row) in enumerate(zip(QUADRANTS, counts, strict=True))
    )
    return (
        f'<figure class="card confusion"><h3>{markup(title)}</h3><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table><figcaption>Rows: target; columns: prediction; outlined: equal. The shade is "
        "the share of its row; V is valence, A arousal.</figcaption></figure>"
    )


def _signed(name: str) -> str:
    """A quadrant's name with its signs of valence and arousal."""
    return f"{markup(name)}<small>{QUADRANT_SIGNS[name]}</small>" if name in QUADRANT_SIGNS else markup(name)


def _cells(row: Sequence[int], same: int) -> Iterable[str]:
    whole = sum(row)
    for place, count in enumerate(row):
        share = count / whole if whole else 0.0
        text = f"<small>{percent(share)}</small>" if count else ""
        kind = ' class="same"' if place == same else ""
        yield f'<td{kind} style="--share:{share:.3f}">{count}{text}</td>'


def _video_section(videos: Sequence[Video]) -> str:
    cards = "".join(_card(place + 1, video) for place, video in enumerate(videos))
    return f"<h2>Every video</h2>{_video_rows(videos)}<h2>Curves</h2>{LEGEND.format(chance='')}{cards}"


def _video_rows(videos: Sequence[Video]) -> str:
    """Every metric of every video."""
    heads = ["", "video", "windows", "target", "predicted", *(METRICS[name][0] for name in BESIDE)]
    lines = []
    for place, video in enumerate(videos):
        cells = [str(video["windows"]), video["target_quadrant"], video["predicted_quadrant"]]
        cells += [format_metric(video[name], min(METRICS[name][1], 2)) or "–" for name in BESIDE]
        rest = "".join(f"<td>{markup(cell)}</td>" for cell in cells)
        lines.append(f'<tr><td>{place + 1}</td><td class="name">{markup(video["name"])}</td>{rest}</tr>')
    head = "".join(f'<th scope="col">{markup(heading)}</th>' for heading in heads)
    body = "".join(lines)
    return f'<div class="card wide every"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _card(place: int, video: Video) -> str:
    """One video: its curves, its trajectory in the plane, its metrics and notes."""
    metrics = "".join(
        f"<div><dt>{markup(METRICS[name][0])}</dt><dd>{format_metric(video[name], METRICS[name][1])}</dd></div>"
        for name in BESIDE
        if video[name] is not None
    )
    notes = "".join(f"<li>{markup(note)}</li>" for note in video["notes"])
    return (
        f'<section class="card video"><header><h3>{place} · {markup(video["name"])}</h3>'
        f'<small>{markup(_origin(video))}</small></header><div class="charts"><div>'
        f"<figure>{curve_chart(video, 'valence')}</figure><figure>{curve_chart(video, 'arousal')}</figure>"
        f'</div><figure class="plane">{trajectory_chart(video)}</figure></div><dl class="figures">{metrics}</dl>'
        + (f'<ul class="notes">{notes}</ul>' if notes else "")
        + "</section>"
    )


def _origin(video: Video) -> str:
    """Where music and target come from."""
    music = "its own sound" if video["music"] == video["video"] else Path(video["music"]).name
    target = f"the picture, by {video['encoder']}" if video["target"] == "picture" else f"requested, {video['target']}"
    return f"music: {music}, {clock(video['music_s'])} · target: {target}, {clock(video['picture_s'])}"


def _failed_section(failed: Sequence[Mapping[str, str]]) -> str:
    if not failed:
        return ""
    lines = "".join(f"<li>{markup(one['error'])}</li>" for one in failed)
    return f'<h2>Failed</h2><ul class="notes">{lines}</ul>'


def _provenance(report: Mapping[str, Any]) -> str:
    judge, commit = report["judge"], report["commit"]
    made = f" Made at commit <code>{markup(commit)}</code>." if commit else ""
    encoders = ", ".join(sorted({video["encoder"] for video in report["videos"]}))
    encoded = f" Targets from pictures: encoder {markup(encoders)}." if encoders else ""
    return (
        f"Judge: {markup(judge['name'])}, weights sha256 <code>{markup(judge['sha256'])}</code>.{encoded}{made} "
        "Written by <code>video2music evaluate alignment</code>."
    )
