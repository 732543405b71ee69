"""CLIP through its real loading path: a tiny one of the same class, trained here to name colours."""

import math
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

from emotion.affect import EMOTIONS, expected_point
from video2music.errors import EncoderError
from video2music.features import download, encoders, extract, semantic
from video2music.features.cache import file_sha256
from video2music.features.encoders import RemoteWeights

torch = pytest.importorskip("torch")
LIBRARY = torch.library.Library("torchvision", "FRAGMENT")


@pytest.fixture(scope="session")
def open_clip():
    """Beside a torch from another index torchvision lacks two schemas; with them open_clip can be imported."""
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return pytest.importorskip("open_clip")


def tiny_clip(open_clip, *, embed_dim, trained):
    """A CLIP of OpenAI's form, 32 px; if trained, it names the self-test's colours at the scale of 100."""
    torch.manual_seed(0)
    model = open_clip.CLIP(
        embed_dim,
        vision_cfg=open_clip.CLIPVisionCfg(layers=1, width=64, patch_size=16, image_size=32),
        text_cfg=open_clip.CLIPTextCfg(layers=1, width=64, heads=1),
        quick_gelu=True,
    )
    if trained:
        model.logit_scale.data.fill_(math.log(100))
        teach_colours(open_clip, model)
    return model.eval()


def teach_colours(open_clip, model):
    squares = torch.stack(
        [torch.tensor(rgb)[:, None, None].expand(3, 32, 32) / 255 for rgb in semantic.COLOURS.values()]
    )
    mean, deviation = (
        torch.tensor(values)[:, None, None] for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    words = open_clip.tokenize(list(semantic.COLOURS))
    model.logit_scale.requires_grad_(False)
    optimizer = torch.optim.Adam([one for one in model.parameters() if one.requires_grad], lr=1e-3)
    for _ in range(40):
        images = torch.nn.functional.normalize(model.encode_image((squares - mean) / deviation), dim=-1)
        texts = torch.nn.functional.normalize(model.encode_text(words), dim=-1)
        loss = torch.nn.functional.cross_entropy(10 * images @ texts.T, torch.arange(len(words)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.5


def publish(model, path):
    """Save a CLIP as OpenAI did: a TorchScript archive that also carries a size beside the weights."""
    model.register_buffer("input_resolution", torch.tensor(32))
    model.attn_mask = model._buffers.pop("attn_mask")  # OpenAI's own code keeps no mask among the weights
    inputs = torch.zeros(1, 3, 32, 32), torch.zeros(1, 77, dtype=torch.long)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(model, inputs, check_trace=False), str(path))
    return path


@pytest.fixture(scope="session")
def archives(open_clip, tmp_path_factory):
    """Tiny archives by name: wide enough to be `clip`, small, and never trained."""
    folder = tmp_path_factory.mktemp("archives")
    settings = {"clip": (768, True), "clip-small": (64, True), "random": (64, False)}
    return {
        name: publish(tiny_clip(open_clip, embed_dim=width, trained=trained), folder / f"{name}.pt")
        for name, (width, trained) in settings.items()
    }


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def publish_as(monkeypatch, name, archive):
    """Have an encoder's record say that its weights are this archive."""
    remote = RemoteWeights(f"{name}.pt", file_sha256(archive), 1, ("http://127.0.0.1:9",))
    spec = replace(encoders.ENCODERS[name], remote=remote)
    monkeypatch.setattr(encoders, "ENCODERS", {**encoders.ENCODERS, name: spec})
    return remote


def path_of(name):
    return encoders.ENCODERS[name].remote.path


@pytest.fixture
def here(monkeypatch, tmp_path, archives):
    """here(name, archive=...): puts a tiny archive where the weights of an encoder belong."""
    monkeypatch.setenv("V2M_CACHE", str(tmp_path / "cache"))

    def put(name, archive=None):
        source = archives[archive or name]
        path = publish_as(monkeypatch, name, source).path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read_bytes())

    return put


def test_embeddings_are_open_clips_own_not_normalised(open_clip, archives, picture):
    from PIL import Image

    clip = semantic.load(archives["clip"], semantic=True)
    found = clip.embed([clip.preprocess(picture)])
    plain = open_clip.openai.load_openai_model(str(archives["clip"]), precision="fp32", device="cpu")
    preprocess = open_clip.image_transform(32, is_train=False)
    with torch.inference_mode():
        expected = plain.encode_image(preprocess(Image.fromarray(picture))[None]).numpy()
    assert found == pytest.approx(expected, abs=1e-5)
    assert abs(np.linalg.norm(found) - 1) > 0.01


def test_the_model_uses_quick_gelu(open_clip, archives):
    clip = semantic.load(archives["clip"], semantic=True)
    assert any(isinstance(module, open_clip.model.QuickGELU) for module in clip._model.modules())


def test_emotions_are_the_softmax_of_the_scaled_logits_of_the_bare_words(open_clip, archives, picture):
    clip = semantic.load(archives["clip-small"], semantic=False)
    rows = clip.embed([clip.preprocess(picture), clip.preprocess(255 - picture)])
    output = clip.predict(rows, np.zeros(2), np.zeros(2))
    plain = open_clip.openai.load_openai_model(str(archives["clip-small"]), precision="fp32", device="cpu")
    with torch.inference_mode():
        words = plain.encode_text(open_clip.tokenize(["exciting", "fearful", "tense", "sad", "relaxing", "neutral"]))
        images = torch.from_numpy(rows)
        cosine = torch.nn.functional.cosine_similarity(images[:, None], words[None], dim=-1)
        expected = (100 * cosine).softmax(-1).numpy()
    assert output.emotion == pytest.approx(expected, abs=1e-3)
    assert output.affect == pytest.approx(expected_point(output.emotion), abs=1e-6)
    assert len(EMOTIONS) == output.emotion.shape[1]


def test_only_the_large_clip_gives_semantic_rows(archives, picture):
    large, small = (semantic.load(archives[name], semantic=name == "clip") for name in ("clip", "clip-small"))
    rows = large.embed([large.preprocess(picture)])
    assert np.array_equal(large.predict(rows, np.zeros(1), np.zeros(1)).semantic, rows)
    rows = small.embed([small.preprocess(picture)])
    assert small.predict(rows, np.zeros(1), np.zeros(1)).semantic is None


def test_the_self_test_refuses_trained_weights_with_their_pictures_reversed(archives):
    clip = semantic.load(archives["clip-small"], semantic=False)
    assert clip.self_test() is None
    with torch.no_grad():
        clip._model.visual.proj.neg_()
    with pytest.raises(EncoderError, match=r"name [0-3] of"):
        clip.self_test()


def test_the_self_test_refuses_random_weights(archives):
    with pytest.raises(EncoderError, match="never trained"):
        semantic.load(archives["random"], semantic=False).self_test()


def test_the_self_test_refuses_random_weights_at_the_right_scale(archives):
    clip = semantic.load(archives["random"], semantic=False)
    clip._model.logit_scale.data.fill_(math.log(100))
    with pytest.raises(EncoderError, match="not trained"):
        clip.self_test()


def test_weights_of_the_wrong_width_are_refused_as_semantic_rows(archives):
    with pytest.raises(EncoderError, match="768"):
        semantic.load(archives["clip-small"], semantic=True)


@pytest.mark.parametrize("content", [b"", b"not an archive" * 100])
def test_damaged_weights_are_one_sentence(tmp_path, open_clip, content):
    path = tmp_path / "damaged.pt"
    path.write_bytes(content)
    with pytest.raises(EncoderError, match="cannot be read") as refused:
        semantic.load(path, semantic=False)
    assert "\n" not in str(refused.value)


def test_a_torchvision_that_does_not_fit_is_explained(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(EncoderError, match="torchvision does not fit") as refused:
        semantic.load(tmp_path / "any.pt", semantic=False)
    assert "video2music doctor" in str(refused.value) and "encoder color" in str(refused.value)


@pytest.fixture
def offered(monkeypatch, tmp_path, archives):
    """offered(archive): a tiny archive is published as clip-small's, with its checksum, and the cache is empty."""
    monkeypatch.setenv("V2M_CACHE", str(tmp_path / "empty"))

    def put(archive):
        publish_as(monkeypatch, "clip-small", archives[archive])
        answer = archives[archive].open("rb")
        answer.headers = {}
        monkeypatch.setattr(download.urllib.request, "urlopen", lambda url, timeout: answer)

    return put


WAYS_TO_GET_WEIGHTS = pytest.mark.parametrize(
    "obtain", [semantic.download, lambda name: encoders.choose(name)[0].load()], ids=["download", "encoder"]
)


@WAYS_TO_GET_WEIGHTS
def test_weights_that_know_colours_are_kept_in_either_way(offered, obtain):
    offered("clip-small")
    obtain("clip-small")
    assert [choice.name for choice in encoders.choose("auto")] == ["clip-small", "color"]


@WAYS_TO_GET_WEIGHTS
def test_weights_that_were_not_trained_are_kept_in_neither_way(offered, obtain):
    offered("random")
    with pytest.raises(EncoderError, match="never trained"):
        obtain("clip-small")
    assert list(path_of("clip-small").parent.iterdir()) == []
    assert [choice.name for choice in encoders.choose("auto")] == ["color"]


def test_download_tests_what_was_here_and_removes_what_fails(here):
    here("clip-small")
    assert semantic.download("clip-small") == path_of("clip-small")
    here("clip-small", archive="random")
    with pytest.raises(EncoderError, match=r"never trained.*removed"):
        semantic.download("clip-small")
    assert not path_of("clip-small").exists()


def test_nothing_is_fetched_for_a_clip_that_could_not_be_loaded(offered, monkeypatch):
    offered("clip-small")
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(EncoderError, match="torchvision does not fit"):
        semantic.obtain(encoders.ENCODERS["clip-small"])
    assert not path_of("clip-small").parent.exists()


def test_clip_gives_its_embeddings_as_semantic_rows(here, write_video, textures):
    here("clip")
    path = write_video([textures(index // 20) for index in range(60)], [index / 20 for index in range(60)])
    extracted = extract(path, encoder="clip", cache=False)
    assert extracted.encoder == "clip"
    assert extracted.semantic.shape == (3, 768)
    clip = semantic.load(path_of("clip"), semantic=True)
    assert extracted.semantic == pytest.approx(
        clip.embed([clip.preprocess(textures(number)) for number in range(3)]), abs=1e-4
    )


def test_auto_takes_the_best_whose_weights_are_here(here):
    assert [choice.name for choice in encoders.choose("auto")] == ["color"]
    here("clip-small")
    assert [choice.name for choice in encoders.choose("auto")] == ["clip-small", "color"]
    here("clip")
    assert [choice.name for choice in encoders.choose("auto")] == ["clip", "clip-small", "color"]


def test_auto_says_in_one_line_which_and_why(here):
    line = encoders.explain("auto")
    assert line.startswith("encoder color: ")
    assert "video2music download clip-small" in line
    assert "\n" not in line
    here("clip")
    assert encoders.explain("auto").startswith("encoder clip: its weights are here")


def test_auto_falls_back_where_clip_cannot_be_loaded(here, write_video, textures, caplog):
    here("clip-small")
    path_of("clip-small").write_bytes(b"damaged")
    path = write_video([textures(0)] * 20, [index / 20 for index in range(20)])
    assert extract(path, encoder="auto", cache=False).encoder == "color"
    assert "clip-small is passed over" in caplog.text
    with pytest.raises(EncoderError):
        extract(path, encoder="clip-small", cache=False)


@pytest.mark.network
def test_the_real_small_clip_is_fetched_tested_and_sees_as_open_clip_does(
    open_clip, monkeypatch, tmp_path, write_video, textures
):
    monkeypatch.setenv("V2M_CACHE", str(tmp_path / "cache"))
    reported = []
    drawn = [textures(0), np.full((96, 128, 3), (250, 190, 40), np.uint8), np.zeros((96, 128, 3), np.uint8)]
    path = write_video([picture for picture in drawn for _ in range(20)], [index / 20 for index in range(60)])
    extracted = extract(path, encoder="clip-small", cache=False, download_progress=reported.append)
    assert reported[-1] == 1
    weights = path_of("clip-small")
    assert file_sha256(weights) == encoders.ENCODERS["clip-small"].remote.sha256
    semantic.load(weights, semantic=False).self_test()
    assert (extracted.encoder, extracted.semantic, extracted.emotion.shape) == ("clip-small", None, (3, 6))
    assert extracted.emotion == pytest.approx(plain_emotions(open_clip, weights, drawn), abs=2e-3)
    assert np.ptp(extracted.emotion, axis=0).max() > 0.05  # pictures that differ so much cannot have the same emotions


def plain_emotions(open_clip, weights, pictures):
    """The six emotions by open_clip's own loader and nothing of ours."""
    from PIL import Image

    plain = open_clip.openai.load_openai_model(str(weights), precision="fp32", device="cpu")
    preprocess = open_clip.image_transform(224, is_train=False)
    with torch.inference_mode():
        words = plain.encode_text(open_clip.tokenize(["exciting", "fearful", "tense", "sad", "relaxing", "neutral"]))
        images = plain.encode_image(torch.stack([preprocess(Image.fromarray(picture)) for picture in pictures]))
        cosine = torch.nn.functional.cosine_similarity(images[:, None], words[None], dim=-1)
        return (plain.logit_scale.exp() * cosine).softmax(-1).numpy()
