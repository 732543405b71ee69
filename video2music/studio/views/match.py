"""How well the music does what was wanted: its curve over that of the picture or the wish, and the judge's verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from emotion import alignment
from emotion.alignment import Alignment
from emotion.metrics import AXES
from emotion.svg import CORNERS, markup
from emotion.values import EmotionReport
from video2music.studio.session import Scored
from video2music.studio.text import counted, feels, percent
from video2music.studio.views import affect, timeline
from video2music.studio.views.timeline import label

STYLE = (
    affect.STYLE
    + """
.v2m .verdict .lane { margin-top: 1.5em; } .v2m .verdict .lane.times { margin-top: 0; }
.v2m .lane i.name { bottom: 100%; left: 0; margin-bottom: 4px; font-weight: 600; }
.v2m .wide { overflow-x: auto; }
.v2m table { border-collapse: collapse; font-size: 13px; width: 100%; font-variant-numeric: tabular-nums; margin: 0; }
.v2m table, .v2m tr, .v2m th, .v2m td { border: 0 !important; background: none !important; }
.v2m .wide :is(th, td) { text-align: left; padding: 6px 14px 6px 0 !important; white-space: nowrap;
  border-bottom: 1px solid var(--border-color-primary, var(--faint)) !important; }
@container (max-width: 480px) {
  .v2m .wide :is(th, td) { font-size: 12px; padding-right: 8px !important; white-space: normal; }
  .v2m .wide :is(th, td):nth-child(n + 6) { display: none; }
}
.v2m thead th { font-weight: 600; opacity: .72; }
.v2m tr.best td, .v2m tr.best th { font-weight: 700; }
"""
)
UNHEARD = "No judge has heard the music, for the weights of the one that reports are missing."
HEADS = ("", "heard as", "match", "time as wanted", "key", "tempo", "bars")


def view(scored: Scored) -> str:
    """HTML of the music's curve over what was wanted, and the verdict in words."""
    told = [timeline.sentence(text) for text in sentences(scored)]
    if scored.report is None:
        return timeline.view("the verdict", *told) + affect.wished(scored.target)
    wanted = "the picture" if scored.target.source == "picture" else "the wish"
    return timeline.view(
        "the verdict",
        *told,
        timeline.legend(("picture", f"{wanted}: wanted"), ("music", "the music: heard")),
        _drawn(scored, scored.report),
        style=STYLE,
    )


def _drawn(scored: Scored, report: EmotionReport) -> str:
    """A lane for each axis, and both on the plane, window by window."""
    lasting_s = max(scored.composition.form.duration_s, report.whole.end_s)
    rows = [_lane(scored, report, axis, lasting_s) for axis in AXES]
    kept = alignment.shared(report, scored.target)
    wanted, heard = alignment.over_spans(scored.target, alignment.spans_s(kept)), alignment.heard_points(kept)
    told = "what was wanted and what was heard, window by window, on the plane"
    drawn = timeline.plane(told, (wanted, "picture"), (heard, "music"))
    return f'<div class="pair verdict">{timeline.lanes(lasting_s, *rows)}{drawn}</div>'


def _lane(scored: Scored, report: EmotionReport, axis: str, lasting_s: float) -> str:
    rows = getattr(scored.target, axis)
    wanted = timeline.curve(timeline.seconds(rows, min(lasting_s, float(len(rows)))), lasting_s, "picture")
    heard = affect.curve(report, axis, lasting_s, style="music")
    told = f"{axis} over time, wanted and heard"
    return timeline.plane_lane(told, [wanted, heard], height_em=7, beside=[label(0, axis, "name")])


def sentences(scored: Scored) -> tuple[str, ...]:
    """The verdict as plain text: what was heard and by whom, how near that is to what was wanted, how it was chosen."""
    if scored.report is None:
        return (UNHEARD, *_choice(scored))
    found = alignment.align(scored.report, scored.target)
    return (f"{_heard(scored, scored.report)} {_nearness(scored, scored.report, found)}", *_choice(scored))


def _heard(scored: Scored, report: EmotionReport) -> str:
    part = "which also chose the piece" if report.judge == scored.chosen_by else "which took no part in composing"
    whole = report.whole
    likeliest = f"the likeliest quadrant is {CORNERS[whole.quadrant][-1]}, with {percent(whole.confidence)}"
    return f"The judge {report.judge}, {part}, hears music that is {feels(whole.valence, whole.arousal)}; {likeliest}."


def _nearness(scored: Scored, report: EmotionReport, found: Alignment) -> str:
    target = scored.target
    wanted = "The picture is" if target.source == "picture" else "The wish is"
    return (
        f"{wanted} {feels(*target.points.mean(0))}. Their match is {found.match.score:.2f}: 1 is full agreement, and "
        f"music that is neutral throughout would have {neutral(report, scored):.2f}. {_agreement(found)}"
    )


def _agreement(found: Alignment) -> str:
    how_long = {0.0: "At no time", 1.0: "All the time"}.get(
        found.quadrant, f"For {percent(found.quadrant)} of the time"
    )
    return f"{how_long} the music lies in the quarter of the plane that is wanted just then."


def neutral(report: EmotionReport, scored: Scored) -> float:
    """The match that music would have of which a judge knows nothing: a level to hold a match against."""
    kept = alignment.shared(report, scored.target)
    unknown = [replace(one, valence=0.0, arousal=0.0, quadrants=(0.25,) * 4) for one in kept.windows]
    return alignment.match(replace(kept, windows=tuple(unknown)), scored.target).score


def _choice(scored: Scored) -> Iterable[str]:
    """How the piece was chosen, and what limits the report."""
    if scored.chosen_by:
        begun = counted(scored.candidates, "beginning")
        yield f"Of {begun} the judge {scored.chosen_by} kept the one that it heard nearest to what was wanted."
    for remark in filter(None, (scored.remark, *(scored.report.remarks if scored.report else ()))):
        yield f"{remark[:1].upper()}{remark[1:]}."


def table(variants: Sequence[Scored], *, best: int | None = None) -> str:
    """HTML that compares variants, a row each; the one whose place is `best` is marked."""
    rows = "".join(_row(each, place == best) for place, each in enumerate(variants))
    head = "".join(f'<th scope="col">{heading}</th>' for heading in HEADS)
    return timeline.view(
        "the variants side by side",
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>',
        style=STYLE,
    )


def _row(scored: Scored, best: bool) -> str:
    form = scored.composition.form
    cells = [*_hearing(scored), str(scored.composition.key), f"{form.tempi[0].bpm:.0f}", str(len(form.bars_s))]
    name = f"{scored.name} · best match" if best else scored.name
    told = "".join(f"<td>{markup(cell)}</td>" for cell in cells)
    kind = ' class="best"' if best else ""
    return f'<tr{kind}><th scope="row">{markup(name)}</th>{told}</tr>'


def _hearing(scored: Scored) -> tuple[str, str, str]:
    """What was heard, the match, and for how much of the time in the wanted quadrant, as the table has them."""
    if scored.report is None:
        return "not heard", "–", "–"
    found, whole = alignment.align(scored.report, scored.target), scored.report.whole
    return feels(whole.valence, whole.arousal), f"{found.match.score:.2f}", percent(found.quadrant)
