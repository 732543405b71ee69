"""The demo clip, drawn by the program: a calm dawn over the sea, a drive through a neon night, a rainy window.

`python -m video2music.demo OUT.mp4` writes it; `video2music demo` scores it, and the page offers it. Three scenes with
hard cuts that differ in valence and arousal. A frame depends on nothing but its time, so the clip is the same on every
machine up to rounding. Most of a frame is drawn at half size and scaled up.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import UserError
from emotion.files import failure
from video2music.errors import MediaError, OptionError
from video2music.output import claim

if TYPE_CHECKING:
    from video2music.options import Result
    from video2music.pipeline import Progress

Floats = NDArray[np.floating[Any]]  # float32 throughout, for speed
Frame = NDArray[np.uint8]  # (360, 640, 3) RGB
Lens = tuple[Floats, Floats, Floats]  # refraction of a wet pane, each (360, 640): source column, row, brightness
Stops = Sequence[tuple[float, tuple[int, int, int]]]  # (where from 0 to 1, RGB)

FPS = 25
WIDTH, HEIGHT = 640, 360
W, H = WIDTH // 2, HEIGHT // 2  # the size that is drawn
ROWS, COLUMNS = np.mgrid[0:H, 0:W].astype(np.float32)

NAME = "demo"
USAGE = "usage: python -m video2music.demo OUT.mp4"


def draw(path: Path) -> Path:
    """Write the demo clip, an H.264 MP4 where the encoder is there; returns `path`. Raises MediaError."""
    from video2music.media.encode import encode_video

    return encode_video(frames(), path, fps=FPS, size=(WIDTH, HEIGHT))


def score(out: Path, *, seed: int = 0, progress: "Progress | None" = None) -> "Result":
    """Draw the clip as `out/demo/demo.mp4` and score it in that folder; an earlier demo there is replaced.

    `progress(stage, fraction)` is called for the stage `draw` and those of `compose`. Raises UserError, also when the
    folder has other files than an earlier demo's.
    """
    from video2music.options import Options
    from video2music.pipeline import compose

    clip = _claimed_clip(out)
    new = not clip.exists()
    if new:
        if progress:
            progress("draw", 0.0)
        draw(clip)
    try:
        return compose(clip, out, Options(seed=seed), name=NAME, overwrite=True, progress=progress)
    except BaseException:  # a clip without a manifest beside it would be refused next time as another's file
        if new:
            clip.unlink()
        raise


def _claimed_clip(out: Path) -> Path:
    """The clip's path, in a folder that exists and has no other files than an earlier demo's."""
    clip = out / NAME / f"{NAME}.mp4"
    output = claim(out, clip, name=NAME, overwrite=True)
    try:
        clip.parent.mkdir(parents=True, exist_ok=True)
        if any(clip.parent.iterdir()) and output.owner() != str(clip.resolve()):
            raise OptionError(f"{clip.parent} is there already and holds no earlier demo: choose another -o")
    except OSError as error:
        raise MediaError(failure(error, clip.parent)) from None
    return clip


def frames() -> Iterator[Frame]:
    """Every frame of the clip in order, each (360, 640, 3) RGB uint8, FPS a second."""
    for scene, count in SCENES:
        for index in range(count):
            yield scene(index / FPS)


# Dawn: warm light low over a calm sea, clouds that hardly move.

HORIZON = 104
SKY = ((0.0, (66, 84, 148)), (0.45, (150, 124, 176)), (0.75, (244, 168, 142)), (1.0, (255, 222, 164)))
SEA = ((0.0, (250, 196, 150)), (0.25, (196, 142, 150)), (1.0, (52, 78, 128)))
SUN_COLUMN = 206.0
WAVES = ((5.1, 2, 1.3, 1.6), (7.7, -7, 0.7, -1.1), (3.2, 13, 1.9, 0.7), (10.3, 5, 2.3, 2.1))  # see _swell


def dawn(time_s: float) -> Frame:
    """Frame of the first scene: the sun rises slowly; its light glitters on the water. Low arousal, high valence."""
    sun_row = 92 - 2.2 * time_s
    distance = np.hypot(COLUMNS - SUN_COLUMN, ROWS - sun_row)
    image = np.concatenate([_ramp(SKY, HORIZON), np.zeros((H - HORIZON, W, 3), np.float32)])
    clouds = 0.7 * _smoothstep(0.5, 0.75, _slide(_noise(7, stretch=4), 2.5 * time_s))[..., None]
    near_sun = np.exp(-((distance / 90) ** 2))[..., None]
    image = _mix(image, _rgb(222, 150, 168) + near_sun * _rgb(60, 66, 10), clouds)
    image += near_sun**2 * _rgb(70, 50, 10)
    image = _mix(image, _rgb(255, 246, 214), _smoothstep(13, 11, distance)[..., None])
    image[HORIZON:] = _sea(time_s)
    return _finish(image)


def _sea(time_s: float) -> Floats:
    """The water below the horizon: waves that shrink with distance, a path of light below the sun."""
    waves = sum(np.sin(phase + speed * time_s) for phase, speed in _swell())
    depth = ROWS[HORIZON:] - HORIZON + 1
    path = np.exp(-(((COLUMNS[HORIZON:] - SUN_COLUMN) / (9 + 0.55 * depth)) ** 2))
    glitter = path * _smoothstep(0.2, 2.6, waves)
    water = _ramp(SEA, H - HORIZON) + 5 * waves[..., None]
    return _mix(water + path[..., None] * _rgb(46, 26, 4), _rgb(255, 236, 190), 0.9 * glitter[..., None])


@cache
def _swell() -> tuple[tuple[Floats, float], ...]:
    """Trains of waves in perspective: phase of every pixel of the sea, and its change in radians a second."""
    depth = ROWS[HORIZON:] - HORIZON + 8
    across, far = (COLUMNS[HORIZON:] - W / 2) / depth, 500 / depth
    return tuple(
        ((far * along + across * sideways + 2 * np.sin(across * bend)).astype(np.float32), speed)
        for along, sideways, bend, speed in WAVES
    )


# Drive: a street of lit towers rushes past, the road pulses below.

SPEED = 26.0  # metres a second
STREET = 9.0  # metres from the middle of the road to the walls
FOCUS = 150.0  # focal length, pixels
EYE = 1.6  # height of the camera, metres above the road
BLOCK = 14.0  # metres of wall that make one tower
_RANDOM = np.random.default_rng(23).random(1021, np.float32)
NEON = np.array([(255, 40, 170), (40, 220, 255), (255, 150, 40), (150, 80, 255), (60, 255, 170)], np.float32)


def drive(time_s: float) -> Frame:
    """Frame of the second scene: a drive at night between neon towers. High arousal."""
    right = COLUMNS - W / 2 - 18 * np.sin(1.3 * time_s).astype(np.float32)
    horizon = 84 + 3 * np.sin(7 * time_s)
    up = (horizon - ROWS).astype(np.float32)
    gone = SPEED * time_s
    image = np.exp(-np.abs(up) / 26)[..., None] * _rgb(120, 20, 110) + _rgb(8, 6, 26)
    image = _towers(image, right, up, gone)
    ground = np.s_[int(horizon) + 1 :]
    image[ground] = _road(image[ground], right[ground], -up[ground], gone)
    light = cv2.GaussianBlur(np.maximum(image - 90, 0), (0, 0), 5)
    return _finish(cv2.GaussianBlur(image, (0, 0), 0.6) + 1.3 * light)


def _towers(image: Floats, right: Floats, up: Floats, gone: float) -> Floats:
    """Walls at both sides, with lit windows and a neon edge at the corner and roof of every tower."""
    ahead = STREET * FOCUS / np.maximum(np.abs(right), 1)
    height = up * ahead / FOCUS + EYE
    along = ahead + gone
    tower = np.floor(along / BLOCK) + np.where(right > 0, np.float32(500), np.float32(0))
    to_roof = 7 + 22 * _random(tower) - height
    wall = (height > 0) & (to_roof > 0)
    storey = np.floor(height / 2.6)
    window = (_since(along, 2.0) < 1.3) & (height - 2.6 * storey < 1.5)
    lit = window & (_random(np.floor(along / 2) + 37 * storey) > 0.55)
    edge = (_since(along, BLOCK) < 0.7) | (to_roof < 0.7)
    glow = (0.10 + 0.75 * lit * _random(tower + 11 * storey) + 1.1 * edge) * np.exp(-ahead / 55)
    colour = NEON[(_random(tower + 77) * len(NEON)).astype(int)]
    dark = 0.9 * np.exp(-ahead / 90)[..., None]
    return np.where(wall[..., None], _mix(image, _rgb(10, 8, 30), dark) + glow[..., None] * colour, image)


def _road(image: Floats, right: Floats, down: Floats, gone: float) -> Floats:
    """The street below the horizon: lane dashes, bright kerbs, bars of light that rush towards us."""
    ahead = EYE * FOCUS / down
    side = np.abs(right) * ahead / FOCUS
    along = ahead + gone
    fog = np.exp(-ahead / 40)
    dash = fog * ((np.abs(side - 1.8) < 0.12) & (_since(along, 6.0) < 3))
    kerb = fog * (np.abs(side - 5.5) < 0.16)
    bar = fog * np.exp(-(((_since(along, 13.0) - 6.5) / 0.8) ** 2))
    lights = dash[..., None] * _rgb(255, 250, 220) + kerb[..., None] * _rgb(255, 40, 190)
    lights += bar[..., None] * _rgb(30, 110, 170)
    return np.where((side < STREET)[..., None], image * 0.25 + lights, image)


# Rain: grey-blue light through a wet window, drops that gather and run.

DROPS = 420
TRAIL = 120.0  # length in pixels of the trail of a running drop
_DRAWS = np.random.default_rng(5)
_LAMPS = _DRAWS.uniform((0, 50, 7, 0, 0), (W, 150, 17, 6.3, 1), (20, 5))  # column, row, radius, phase, warmth
_RUNNERS = _DRAWS.uniform((0, 0, 22), (WIDTH, 500, 60), (9, 3))  # column, row at the start, pixels a second
PANE = ((0.0, (60, 66, 74)), (0.6, (80, 86, 93)), (1.0, (40, 44, 50)))


def rain(time_s: float) -> Frame:
    """Frame of the third scene: street lamps out of focus behind a wet pane. Low valence.

    Each drop refracts the street upside down.
    """
    dx, dy, shade = (field.copy() for field in _resting_drops())
    for column, row, speed in _RUNNERS.tolist():
        _add_running_drop((dx, dy, shade), column, row, speed, time_s)
    seen = cv2.remap(_street(time_s), dx, dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.clip(seen * shade[..., None], 0, 255).astype(np.uint8)


def _street(time_s: float) -> Frame:
    """The evening behind the pane, at full size: blurred lamps that swell and fade slowly."""
    image = _ramp(PANE, H) * (0.85 + 0.3 * _slide(_noise(3), 4 * time_s)[..., None])
    strengths = 0.34 + 0.12 * np.sin(0.5 * time_s + _LAMPS[:, 3])
    image += np.tensordot(strengths.astype(np.float32), _discs(), axes=1)
    return _finish(image)


@cache
def _discs() -> Floats:
    """Each lamp at full strength, (lamps, H, W, 3)."""
    return np.stack([
        _smoothstep(radius, radius - 2.5, np.hypot(COLUMNS - column, ROWS - row))[..., None]
        * _mix(_rgb(84, 97, 112), _rgb(108, 98, 87), float(warmth))
        for column, row, radius, _, warmth in _LAMPS.astype(np.float32)
    ])  # fmt: skip


@cache
def _resting_drops() -> Lens:
    """The lens of the drops that stay where they are."""
    draws = np.random.default_rng(11)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    lens = columns, rows, np.ones_like(rows)
    radii = 1.2 + 6.5 * draws.random(DROPS) ** 4
    for column, row, radius in zip(draws.random(DROPS) * WIDTH, draws.random(DROPS) * HEIGHT, radii, strict=True):
        _add_drop(lens, column, row, radius)
    return lens


def _add_running_drop(lens: Lens, column: float, row: float, speed: float, time_s: float) -> None:
    """Add a drop that sticks and slips downwards, and the smaller ones of its trail."""
    fallen = (row + speed * (time_s + np.sin(2.1 * time_s + row) / 2.3)) % (HEIGHT + 160) - 20
    for place in np.arange(np.ceil((fallen - TRAIL) / 11) * 11, fallen - 9, 11):
        _add_drop(lens, column + 5 * np.sin(place / 23), place, 3.2 * (1 - (fallen - place) / TRAIL) + 0.3)
    _add_drop(lens, column + 5 * np.sin(fallen / 23), fallen, 7.5)


def _add_drop(lens: Lens, column: float, row: float, radius: float) -> None:
    """Add one drop to the lens: the view upside down inside, dark above, bright below."""
    top, left = max(int(row - radius - 1), 0), max(int(column - radius - 1), 0)
    window = np.s_[top : max(int(row + radius + 3), 0), left : max(int(column + radius + 3), 0)]
    from_column, from_row, shade = (field[window] for field in lens)
    if not shade.size:
        return
    columns = np.arange(left, left + shade.shape[1], dtype=np.float32)
    rows = np.arange(top, top + shade.shape[0], dtype=np.float32)[:, None]
    across, down = (columns - column) / radius, (rows - row) / radius
    far = np.hypot(across, down)
    inside = _smoothstep(1.1, 0.8, far)
    from_column += inside * (column - 8 * radius * across - from_column)
    from_row += inside * (row - 8 * radius * down - from_row)
    shade += inside * (0.95 + 0.5 * down * far - 0.3 * far**4 - shade)


SCENES = ((dawn, 170), (drive, 165), (rain, 165))  # each with its frames: cuts at 6.8 and 13.4 s, end at 20 s


def _rgb(red: float, green: float, blue: float) -> Floats:
    return np.array((red, green, blue), np.float32)


def _ramp(stops: Stops, rows: int) -> Floats:
    """Colours from top to bottom, (rows, W, 3)."""
    places, colours = zip(*stops, strict=True)
    column = [np.interp(np.linspace(0, 1, rows), places, channel) for channel in zip(*colours, strict=True)]
    return np.repeat(np.stack(column, -1)[:, None].astype(np.float32), W, axis=1)


def _mix(below: Floats, above: Floats, share: Floats | float) -> Floats:
    mixed: Floats = below + share * (above - below)
    return mixed


def _smoothstep(start: float, end: float, values: Floats) -> Floats:
    """0 at `start`, 1 at `end`, smooth in between; `start` may be the larger."""
    share = np.clip((values - start) / (end - start), 0, 1)
    smooth: Floats = share * share * (3 - 2 * share)
    return smooth


def _since(places: Floats, period: float) -> Floats:
    """Distance of each place from the last multiple of `period` before it; np.mod is three times as slow."""
    since: Floats = places - period * np.floor(places / period)
    return since


def _random(cells: Floats) -> Floats:
    """A pseudo-random number in [0, 1) for each whole number, the same each time."""
    numbers: Floats = _RANDOM[cells.astype(int) % len(_RANDOM)]
    return numbers


@cache
def _noise(seed: int, stretch: int = 1) -> Floats:
    """Clouds of 0 to 1, (H, 2 W), `stretch` times as wide as high; twice as wide as a frame, to slide along."""
    draws = np.random.default_rng(seed)
    total = np.zeros((H, 2 * W), np.float32)
    for octave in range(5):
        rows = 3 * 2**octave
        grid = draws.random((rows, max(rows * 4 // stretch, 2))).astype(np.float32)
        total += cv2.resize(grid, (2 * W, H), interpolation=cv2.INTER_CUBIC) * 0.55**octave
    scaled: Floats = (total - total.min()) / np.ptp(total)
    return scaled


def _slide(image: Floats, left: float) -> Floats:
    """The part (H, W) of a wider image from `left` pixels on, which may be fractional."""
    shift = np.array([[1, 0, -left], [0, 1, 0]], np.float32)
    return np.asarray(cv2.warpAffine(image, shift, (W, H), flags=cv2.INTER_LINEAR), np.float32)


def _finish(image: Floats) -> Frame:
    whole = np.clip(image + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(whole, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


def main(arguments: Sequence[str]) -> int:
    """Write the clip to the path of the one argument."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        print(draw(Path(arguments[0])))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
