"""What a page about alignment shows, drawn as SVG that takes its colours from the page: light or dark.

The report of `evaluate alignment` as one HTML page that needs nothing else: no network, no font, no script.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Any

from emotion.affect import QUADRANTS
from emotion.alignment import FEWEST, MOST_LAG_S, STILL_SD
from emotion.svg import PLANE, Point, Way, clock, dot, line, markup, on_plane, plane, rule, svg, ticks_s, ways
from video2music.evaluate.alignment.study import CHANCE, FIGURES, NOTHING, OWN, judge_note, number

Video = Mapping[str, Any]
"""An entry of `videos` in the report of `evaluate alignment`."""

WIDTH, HEIGHT = 640, 168  # of a curve, in the drawing's own units
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 10, 24
TRACK, TRACK_HEIGHT = 300, 44


def over_time(video: Video, axis: str) -> str:
    """One axis of picture and music over the seconds of a video."""
    windows, curve = video["compared"], video["curve"][axis]
    lasting_s = max(len(curve), windows[-1]["end_s"], 1.0)

    def place(time_s: float, value: float) -> Point:
        across = LEFT + (WIDTH - LEFT - RIGHT) * time_s / lasting_s
        return across, TOP + (HEIGHT - TOP - BOTTOM) * (1 - value) / 2

    middles = [(window["start_s"] + window["end_s"]) / 2 for window in windows]
    wanted = [place(time_s, window[f"wanted_{axis}"]) for time_s, window in zip(middles, windows, strict=True)]
    heard = [place(time_s, window[axis]) for time_s, window in zip(middles, windows, strict=True)]
    seconds = [place(float(at), value) for second, value in enumerate(curve) for at in (second, second + 1)]
    parts = [
        *_levels(place, lasting_s),
        *_ticks(place, lasting_s),
        line(seconds, "second"),
        *(_spans(windows, axis, place) if len(windows) < FEWEST else ()),
        line(wanted, "picture"),
        line(heard, "music"),
        *(dot(point, "dot-picture", 3.2) for point in wanted),
        *(dot(point, "dot-music", 3.4) for point in heard),
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
        for name, style in ((f"wanted_{axis}", "picture span"), (axis, "music span")):
            yield rule(place(window["start_s"], window[name]), place(window["end_s"], window[name]), style)


def way_on_plane(video: Video) -> str:
    """The ways of picture and music through the plane, window by window; the means are large."""
    windows = video["compared"]
    wanted = Way([(window["wanted_valence"], window["wanted_arousal"]) for window in windows], "picture")
    heard = Way([(window["valence"], window["arousal"]) for window in windows], "music")
    return ways(f"the way of {video['name']} through the plane of valence and arousal", (wanted, heard))


def all_on_plane(videos: Sequence[Video]) -> str:
    """For every video a line from where its picture wants the music to where the music is heard, with its number."""
    parts = list(plane())
    ends = [(on_plane(video["wanted_valence"], video["wanted_arousal"]),
             on_plane(video["heard_valence"], video["heard_arousal"])) for video in videos]  # fmt: skip
    parts += [rule(wanted, heard, "way") for wanted, heard in ends]
    parts += [dot(wanted, "dot-picture", 4.0) for wanted, _ in ends]
    parts += [dot(heard, "dot-music", 4.0) for _, heard in ends]
    for place, ((x, y), _) in enumerate(ends, 1):
        parts.append(f'<text class="number" x="{x + 6:.1f}" y="{y - 5:.1f}">{place}</text>')
    return svg(PLANE, PLANE, "where every picture wants its music, and where the music is heard", parts)


def interval(own: Mapping[str, float], chance: Mapping[str, float] | None, bounds: tuple[float, float]) -> str:
    """A figure with its interval, and below it that of chance, on a track from one bound to the other."""
    low, high = bounds
    zero = [0.0] if low < 0 < high else []

    def across(value: float) -> float:
        return 8 + (TRACK - 16) * (min(max(value, low), high) - low) / (high - low)

    parts = [rule((across(low), 28), (across(high), 28), "grid")]
    parts += [rule((across(at), 2), (across(at), 30), "axis") for at in zero]
    for name, figure, y in (("own", own, 10), ("chance", chance, 20)):
        if figure:
            parts.append(rule((across(figure["low"]), y), (across(figure["high"]), y), f"whisker {name}"))
            parts.append(dot((across(figure["mean"]), y), "dot-music" if name == "own" else "dot-chance", 4.6))
    for at in (low, *zero, high):
        parts.append(f'<text x="{across(at):.1f}" y="41" text-anchor="middle">{at:g}</text>')
    return svg(TRACK, TRACK_HEIGHT, f"{own['mean']:.3f}, from {own['low']:.3f} to {own['high']:.3f}", parts)


TEMPLATE = Path(__file__).parent / "page.html"
# The figures that are drawn with their intervals: what they are called, and the bounds of the track.
TILES = MappingProxyType({
    "quadrant": ("windows heard in the wanted quadrant", (0.0, 1.0)),
    "match": ("match, 1 is full agreement", (0.0, 1.0)),
    "distance": ("distance on the plane, 0 is full agreement", (0.0, 2.0)),
    "ccc_valence_pooled": ("CCC of valence over all videos", (-1.0, 1.0)),
    "ccc_arousal_pooled": ("CCC of arousal over all videos", (-1.0, 1.0)),
    "rmse_valence": ("RMSE of valence", (0.0, 2.0)),
    "rmse_arousal": ("RMSE of arousal", (0.0, 2.0)),
    "bias_valence": ("bias of valence: heard less wanted", (-1.0, 1.0)),
    "bias_arousal": ("bias of arousal: heard less wanted", (-1.0, 1.0)),
})  # fmt: skip
_ELSEWHERE = ("quadrant_probability", "lag_r_valence", "lag_r_arousal")
BESIDE = tuple(name for name in FIGURES if name not in _ELSEWHERE)
"""The figures in the table and under the curves of a video; JSON and CSV have the others, too."""
SIGNED = MappingProxyType({"q1": "+V +A", "q2": "−V +A", "q3": "−V −A", "q4": "+V −A"})
SHARES = frozenset({"quadrant"})  # told in percent
LEGEND = (
    '<p class="legend"><span><i class="is-picture"></i>the picture, or what was wished: wanted</span>'
    '<span><i class="is-music"></i>the music: heard</span>{chance}</p>'
)
CHANCE_LEGEND = '<span><i class="is-chance"></i>chance: the same music against other videos</span>'
METHOD = (
    "The judge hears windows of 8 s, one every 4 s, and says of each where it lies on the plane of valence "
    "(unpleasant to pleasant) and arousal (calm to excited), from -1 to 1, and how likely each quadrant is. What was "
    "wanted is the mean of the target over the same window. RMSE and bias (heard less wanted) are over the windows. "
    "CCC is Lin's concordance correlation: 1 where the curves are one, 0 where they have nothing to do with each "
    "other. It is left out where the target hardly moves (standard deviation below {still:g}) and where there are "
    "fewer than {fewest} windows: a correlation of two points says nothing. The lag is by how many seconds the music "
    "follows its target, up to {lag} to either side; at an end of that range the true one may lie beyond. The match "
    "is the mean of the agreement on the plane and that of the quadrants. Intervals are 95 % of 2000 bootstrap draws "
    "of the videos: rough where there are few, and too narrow where a video has several musics, as every pair is drawn "
    "by itself. Chance is every music against the targets of all other videos. CCC over all videos counts every video "
    "alike."
)


def page(report: Mapping[str, Any]) -> str:
    """The whole page of a report in its JSON form; every text of the user's is escaped."""
    parts = {
        "data": markup(report["data"]),
        "lead": lead(report),
        "judge": f"{markup(report['data'])}, heard by <b>{markup(report['judge']['name'])}</b>. "
        f"{markup(judge_note(report))}",
        "overall": _overall(report) if report["videos"] else "",
        "videos": _videos(report["videos"]) if report["videos"] else "",
        "failed": _failed(report["failed"]),
        "method": markup(METHOD.format(still=STILL_SD, fewest=FEWEST, lag=MOST_LAG_S)),
        "provenance": _provenance(report),
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(parts)


def lead(report: Mapping[str, Any]) -> str:
    """The finding in one or two sentences, no stronger than its interval allows."""
    if not report["videos"]:
        return "Nothing could be heard."
    own = report["rows"][OWN]["quadrant"]["mean"]
    found = f"The music is heard in the wanted quadrant in {percent(own)} of the windows of a video"
    chance, gains = report["rows"].get(CHANCE, {}), report["differences"].get(OWN, {})
    if "quadrant" not in chance or "match" not in gains:
        return f"{found}; without more videos that want something else there is no chance level to hold that against."
    against = percent(chance["quadrant"]["mean"])
    return f"{found}; against other videos' targets it would be {against}. {_verdict(gains['match'])}"


def _verdict(gain: Mapping[str, float]) -> str:
    told = f"{gain['mean']:+.3f}, 95 % interval {gain['low']:+.3f} to {gain['high']:+.3f}"
    if gain["low"] > 0:
        return f"Its match with its own picture is better than chance ({told})."
    if gain["high"] < 0:
        return f"Its match with its own picture is worse than chance ({told})."
    return f"These videos do not show that it fits its own picture better than another's (match {told})."


def _overall(report: Mapping[str, Any]) -> str:
    """The figures with intervals, the plane of all videos, and the confusions."""
    several = len(report["videos"]) > 1
    rows = report["rows"]
    legend = LEGEND.format(chance=CHANCE_LEGEND if CHANCE in rows else "")
    tiles = [_tile(name, rows[OWN][name], rows.get(CHANCE, {}).get(name)) for name in TILES if name in rows[OWN]]
    plane = (
        '<figure class="card"><h3>Wanted and heard</h3>'
        f"{all_on_plane(report['videos'])}<figcaption>From where each picture wants its music to where the "
        "music is heard, means of the whole; numbers as below.</figcaption></figure>"
    )
    windows = _confusion(report["confusion"]["windows"], "Wanted and heard quadrants, windows")
    wholes = _confusion(report["confusion"]["videos"], "Wanted and heard quadrants, whole videos") if several else ""
    return (
        f'<h2>Over all videos</h2>{legend}<div class="tiles">{"".join(tiles)}</div>'
        f'<div class="pair" style="margin-top:16px">{plane}{windows}{wholes}</div>'
    )


def _tile(name: str, own: Mapping[str, float], chance: Mapping[str, float] | None) -> str:
    """A figure, its interval and that of chance."""
    label, bounds = TILES[name]
    between = f"{_said(name, own['low'])} to {_said(name, own['high'])}" if own["low"] < own["high"] else ""
    beside = f"chance {_said(name, chance['mean'])}" if chance else ""
    told = " · ".join(filter(None, (between, beside)))
    return (
        f'<div class="card tile"><span>{markup(label)}</span><b>{_said(name, own["mean"])}</b>'
        f"<small>{told}&nbsp;</small>{interval(own, chance, bounds)}</div>"
    )


def percent(share: float) -> str:
    """A share of 1 in whole percent."""
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def _said(name: str, value: float) -> str:
    sign = "+" if name.startswith("bias") else ""
    return percent(value) if name in SHARES else f"{value:{sign}.2f}"


def _confusion(counts: Sequence[Sequence[int]], title: str) -> str:
    """A table of wanted (rows) against heard (columns), darker where the share of the row is greater."""
    silent = any(row[-1] for row in counts)
    names = [*QUADRANTS, NOTHING][: None if silent else -1]
    head = "".join(f'<th scope="col">{_signed(name)}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{_signed(name)}</th>{"".join(_cells(row[: len(names)], place))}</tr>'
        for place, (name, row) in enumerate(zip(QUADRANTS, counts, strict=True))
    )
    return (
        f'<figure class="card confusion"><h3>{markup(title)}</h3><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table><figcaption>Rows: wanted; columns: heard; outlined: the same. The shade is the "
        "share of its row; V is valence, A arousal.</figcaption></figure>"
    )


def _signed(name: str) -> str:
    """A quadrant's name with its signs of valence and arousal."""
    return f"{markup(name)}<small>{SIGNED[name]}</small>" if name in SIGNED else markup(name)


def _cells(row: Sequence[int], same: int) -> Iterable[str]:
    whole = sum(row)
    for place, count in enumerate(row):
        share = count / whole if whole else 0.0
        told = f"<small>{percent(share)}</small>" if count else ""
        kind = ' class="same"' if place == same else ""
        yield f'<td{kind} style="--share:{share:.3f}">{count}{told}</td>'


def _videos(videos: Sequence[Video]) -> str:
    cards = "".join(_card(place + 1, video) for place, video in enumerate(videos))
    return f"<h2>Every video</h2>{_table(videos)}<h2>Curves</h2>{LEGEND.format(chance='')}{cards}"


def _table(videos: Sequence[Video]) -> str:
    """Every figure of every video."""
    heads = ["", "video", "windows", "wanted", "heard", *(FIGURES[name][0] for name in BESIDE)]
    lines = []
    for place, video in enumerate(videos):
        cells = [str(video["windows"]), video["wanted_quadrant"], video["heard_quadrant"]]
        cells += [number(video[name], min(FIGURES[name][1], 2)) or "–" for name in BESIDE]
        rest = "".join(f"<td>{markup(cell)}</td>" for cell in cells)
        lines.append(f'<tr><td>{place + 1}</td><td class="name">{markup(video["name"])}</td>{rest}</tr>')
    head = "".join(f'<th scope="col">{markup(heading)}</th>' for heading in heads)
    body = "".join(lines)
    return f'<div class="card wide every"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _card(place: int, video: Video) -> str:
    """One video: its curves, its way through the plane, its figures and what limits them."""
    figures = "".join(
        f"<div><dt>{markup(FIGURES[name][0])}</dt><dd>{number(video[name], FIGURES[name][1])}</dd></div>"
        for name in BESIDE
        if video[name] is not None
    )
    notes = "".join(f"<li>{markup(note)}</li>" for note in video["notes"])
    return (
        f'<section class="card video"><header><h3>{place} · {markup(video["name"])}</h3>'
        f'<small>{markup(_origin(video))}</small></header><div class="charts"><div>'
        f"<figure>{over_time(video, 'valence')}</figure><figure>{over_time(video, 'arousal')}</figure>"
        f'</div><figure class="plane">{way_on_plane(video)}</figure></div><dl class="figures">{figures}</dl>'
        + (f'<ul class="notes">{notes}</ul>' if notes else "")
        + "</section>"
    )


def _origin(video: Video) -> str:
    """Where music and target come from."""
    music = "its own sound" if video["music"] == video["video"] else Path(video["music"]).name
    target = f"the picture, by {video['encoder']}" if video["target"] == "picture" else f"wished, {video['target']}"
    return f"music: {music}, {clock(video['music_s'])} · target: {target}, {clock(video['picture_s'])}"


def _failed(failed: Sequence[Mapping[str, str]]) -> str:
    if not failed:
        return ""
    lines = "".join(f"<li>{markup(one['error'])}</li>" for one in failed)
    return f'<h2>What could not be heard</h2><ul class="notes">{lines}</ul>'


def _provenance(report: Mapping[str, Any]) -> str:
    judge, commit = report["judge"], report["commit"]
    made = f" Made at commit <code>{markup(commit)}</code>." if commit else ""
    encoders = ", ".join(sorted({video["encoder"] for video in report["videos"]}))
    watched = f" Pictures were watched by {markup(encoders)}." if encoders else ""
    return (
        f"Judge: {markup(judge['name'])}, weights sha256 <code>{markup(judge['sha256'])}</code>.{watched}{made} "
        "Written by <code>video2music evaluate alignment</code>."
    )
