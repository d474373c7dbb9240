"""Engines: the same model, the same answers; and only the model that the manifest names."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

import orapp
from orapp.engines import EngineSpec, open_engine
from orapp.engines.trust import MAX_MANIFEST_BYTES, find_model, load_manifest, read_checked
from orapp.errors import OrappError
from orapp.verify import load_golden
from tests.models import write_bright_model, write_random_lite


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    return write_random_lite(tmp_path_factory.mktemp("models") / "random", (96, 64))


@pytest.fixture
def bright(tmp_path):
    return write_bright_model(tmp_path / "bright")


def picture(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def test_openvino_and_torch_agree_within_two_of_255(lite):
    maps, judged = [], []
    for backend in ("openvino", "torch"):
        with open_engine(EngineSpec(str(lite), backend)) as engine:
            assert engine.identity.input_size == (96, 64)
            for seed in range(3):
                seen = engine.infer(picture((96, 64), seed))
                maps.append(seen.probability.astype(int))
                judged.append((seen.broken, seen.spine))
    assert np.abs(np.subtract(maps[:3], maps[3:])).max() <= 2
    assert np.abs(np.subtract(judged[:3], judged[3:])).max() <= 0.01
    assert len(set(judged[:3])) == 3


def test_the_fp16_form_says_nearly_the_same(lite):
    """On this CPU ONNX Runtime computes it in half precision, as a GPU would."""
    import onnxruntime

    manifest = load_manifest(lite)
    golden, bounds = load_golden(lite, manifest), manifest.bounds["fp16"]
    session = onnxruntime.InferenceSession(lite / "model-fp16.onnx")
    for image, probability, judged in zip(
        golden.images, golden.probability, golden.judged, strict=True
    ):
        half, said = session.run(None, {"image": image[None, None]})
        away = np.abs(half[0, 0].astype(int) - probability)
        assert away.max() <= bounds.max_difference
        assert away.mean() <= bounds.mean_difference
        assert np.abs(said[0] - judged).max() <= bounds.judged


def test_a_model_does_not_tell_where_it_was_made(lite):
    content = (lite / "model.onnx").read_bytes()
    assert b"stack_trace" not in content
    assert str(Path(orapp.__file__).parent).encode() not in content


def test_an_engine_repeats_itself_byte_for_byte(lite):
    with open_engine(EngineSpec(str(lite))) as engine:
        first = engine.infer(picture((96, 64)))
        probability = first.probability.copy()
        engine.infer(picture((96, 64), 1))
        again = engine.infer(picture((96, 64)))
        assert np.array_equal(again.probability, probability)
        assert (again.broken, again.spine) == (first.broken, first.spine)


def test_brightness_and_contrast_hardly_matter(lite):
    dim = (picture((96, 64)) // 3 + 20).astype(np.uint8)
    with open_engine(EngineSpec(str(lite))) as engine:
        a = engine.infer(dim).probability.astype(int)
        b = engine.infer(dim * 2).probability.astype(int)
    assert np.abs(a - b).max() <= 3


@pytest.mark.parametrize("wrong", [np.zeros((64, 96), np.uint8), np.zeros((96, 64), np.float32)])
def test_a_picture_of_another_size_or_kind_is_refused(lite, wrong):
    with (
        open_engine(EngineSpec(str(lite))) as engine,
        pytest.raises(ValueError, match="the engine takes uint8"),
    ):
        engine.infer(wrong)


def test_test_options_make_an_engine_slow_and_failing(bright):
    with open_engine(EngineSpec(str(bright), "auto", 0, 2)) as engine:
        image = np.full((64, 64), 255, np.uint8)
        assert (engine.infer(image).probability == 255).all()
        with pytest.raises(RuntimeError, match="on purpose"):
            engine.infer(image)


def test_an_engine_can_take_a_second_longer_once(bright):
    took = []
    with open_engine(EngineSpec(str(bright), spike_at=2)) as engine:
        for _ in range(3):
            before = time.monotonic()
            engine.infer(np.full((64, 64), 255, np.uint8))
            took.append(time.monotonic() - before)
    assert took[1] >= 1
    assert took[1] == max(took)


def test_an_unknown_engine_and_a_model_without_weights_are_told(bright):
    with pytest.raises(
        OrappError, match="'abacus' is not an engine; use tensorrt, openvino or torch"
    ):
        open_engine(EngineSpec(str(bright), "abacus"))
    with pytest.raises(OrappError, match="bright has no weights for torch"):
        open_engine(EngineSpec(str(bright), "torch"))


def test_the_shipped_model_is_found_by_its_name():
    assert load_manifest(find_model("pfnet-lite")).name == "pfnet-lite"


def test_an_unknown_model_is_told_with_those_that_there_are():
    with pytest.raises(OrappError, match="there is no model 'resnet'; use one of pfnet-lite or"):
        find_model("resnet")


@pytest.mark.parametrize("at", [0, 100, -1])
def test_one_changed_byte_in_the_model_is_refused(bright, at):
    model = bright / "model.onnx"
    data = bytearray(model.read_bytes())
    data[at] ^= 1
    model.write_bytes(data)
    with pytest.raises(OrappError, match="not the file that its manifest names"):
        open_engine(EngineSpec(str(bright)))


def test_one_changed_byte_in_the_weights_is_refused(lite, tmp_path):
    folder = shutil.copytree(lite, tmp_path / "copy")
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(OrappError, match=r"weights\.safetensors of copy is not the file"):
        open_engine(EngineSpec(str(folder), "torch"))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "bright"', "name = [", "manifest.toml of bright is not TOML"),
        ("threshold = 0.5", "threshold = 2.0", "field 'threshold': input should be less than 1"),
        ("threshold = 0.5", "", "field 'threshold': field required"),
        ("threshold = 0.5", "threshold = 0.5\nextra = 1", "field 'extra': extra inputs are not"),
        ('file = "model.onnx"', 'file = "../model.onnx"', "field 'file': string should match"),
        ('file = "model.onnx"', 'file = "other.onnx"', "other.onnx is missing beside"),
        ("input_height = 64", "input_height = 96", "takes and gives"),
    ],
)
def test_a_wrong_manifest_is_one_sentence(bright, old, new, sentence):
    manifest = bright / "manifest.toml"
    manifest.write_text(manifest.read_text().replace(old, new))
    with pytest.raises(OrappError) as caught:
        open_engine(EngineSpec(str(bright)))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_no_text_or_too_large_is_refused(bright):
    manifest = bright / "manifest.toml"
    manifest.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OrappError, match="is not TOML"):
        load_manifest(bright)
    manifest.write_bytes(b"#" * (MAX_MANIFEST_BYTES + 1))
    with pytest.raises(OrappError, match="is larger than"):
        load_manifest(bright)


def test_a_model_that_is_no_onnx_is_one_sentence(bright):
    import hashlib

    junk = b"no model" * 100
    manifest = load_manifest(bright)
    (bright / "model.onnx").write_bytes(junk)
    text = (bright / "manifest.toml").read_text()
    text = text.replace(manifest.sha256, hashlib.sha256(junk).hexdigest())
    (bright / "manifest.toml").write_text(text)
    with pytest.raises(OrappError, match=r"OpenVINO can't load model\.onnx"):
        open_engine(EngineSpec(str(bright)))


def test_a_file_that_vanishes_is_one_sentence(tmp_path):
    with pytest.raises(OrappError, match=r"gone\.onnx of .* can't be read: No such file"):
        read_checked(tmp_path, "gone.onnx", "0" * 64)
