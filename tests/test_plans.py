"""Compiled engines on disk: loaded only if they are what this machine built for this model."""

import stat
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orapp.engines.gpu import Gpu, parse
from orapp.engines.plans import PlanCache, PlanKey, Runtime
from orapp.engines.trust import load_manifest
from orapp.errors import OrappError
from tests.models import write_bright_model

ADA = Gpu("NVIDIA RTX 4000 Ada", "sm89", "580.65")
HERE = Runtime("tensorrt-rtx", "1.7.1.116", ADA)
PLAN = bytes(range(256)) * 8


@pytest.fixture
def manifest(tmp_path):
    return load_manifest(write_bright_model(tmp_path / "bright"))


@pytest.fixture
def cache(tmp_path):
    return PlanCache(tmp_path / "plans")


def key(manifest, **changes):
    own = {
        "model": "bright",
        "model_sha256": manifest.sha256,
        "source_sha256": manifest.sha256,
        "flavour": "tensorrt-rtx",
        "version": "1.7.1.116",
        "precision": "fp32",
        "targets": ("sm86", "sm89"),
        "input_height": 64,
        "input_width": 64,
    }
    return PlanKey(**(own | changes))


def on_gpu(manifest, **changes):
    own = {"targets": (), "gpu": ADA.name, "compute": ADA.compute, "driver": ADA.driver}
    return key(manifest, **(own | changes))


def test_what_was_stored_is_loaded(cache, manifest):
    cache.store(key(manifest), PLAN)
    assert cache.load(manifest, "fp32", HERE) == PLAN
    assert cache.best(manifest, HERE) == ("fp32", PLAN)
    (plan,) = cache.plans({"bright": manifest}, [HERE])
    assert plan.refusal == ""


def test_a_plan_for_the_gpu_of_this_machine_is_loaded_too(cache, manifest):
    cache.store(on_gpu(manifest), PLAN)
    assert cache.load(manifest, "fp32", HERE) == PLAN


def test_without_a_plan_the_sentence_says_how_to_build_one(cache, manifest):
    with pytest.raises(
        OrappError, match="no fp32 plan of bright has been built by tensorrt-rtx; run 'orapp"
    ):
        cache.load(manifest, "fp32", HERE)
    with pytest.raises(OrappError, match="no plan of bright has been built"):
        cache.best(manifest, HERE)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_sha256": "0" * 64}, "built from another bright"),
        ({"source_sha256": "0" * 64}, "built from another bright"),
        ({"input_width": 96}, "another input size"),
        ({"version": "1.6.0"}, "by tensorrt-rtx 1.6.0, here is tensorrt-rtx 1.7.1.116"),
        ({"targets": ("sm86",)}, "for sm86, this GPU is sm89"),
        ({"targets": (), "gpu": "NVIDIA L4"}, "GPU NVIDIA L4, here is NVIDIA RTX 4000 Ada"),
        (
            {"targets": (), "gpu": ADA.name, "compute": "sm86"},
            "compute capability sm86, here is sm89",
        ),
        (
            {"targets": (), "gpu": ADA.name, "compute": "sm89", "driver": "570.1"},
            "driver 570.1, here is 580.65",
        ),
    ],
)
def test_a_plan_for_something_else_is_refused_with_the_difference(
    cache, manifest, changes, sentence
):
    cache.store(key(manifest, **changes), PLAN)
    with pytest.raises(OrappError, match=sentence) as caught:
        cache.load(manifest, "fp32", HERE)
    assert "orapp engine build bright --precision fp32" in str(caught.value)
    (plan,) = cache.plans({"bright": manifest}, [HERE])
    assert sentence.split(",")[0] in plan.refusal


@pytest.mark.parametrize(
    ("here", "sentence"),
    [
        (Runtime("", "", ADA), "TensorRT is not installed"),
        (Runtime("tensorrt-rtx", "1.7.1.116", None), "no NVIDIA GPU with a driver"),
        (Runtime("tensorrt", "11.1", ADA), "by tensorrt-rtx 1.7.1.116, here is tensorrt 11.1"),
    ],
)
def test_a_machine_that_cannot_load_it_is_told(cache, manifest, here, sentence):
    cache.store(key(manifest), PLAN)
    (plan,) = cache.plans({"bright": manifest}, [here])
    assert sentence in plan.refusal


def test_a_plan_of_a_model_folder_is_not_called_ready(cache, manifest):
    cache.store(key(manifest), PLAN)
    (plan,) = cache.plans({}, [HERE])
    assert "'bright' does not ship with orapp" in plan.refusal


def test_a_cut_plan_says_how_much_is_there(cache, manifest):
    path = cache.store(key(manifest), PLAN)
    path.write_bytes(PLAN[:100])
    with pytest.raises(OrappError, match="is cut: 100 of 2048 bytes are there"):
        cache.load(manifest, "fp32", HERE)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, len(PLAN) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_plan_is_refused(cache, manifest, at, bit):
    path = cache.store(key(manifest), PLAN)
    changed = bytearray(PLAN)
    changed[at] ^= 1 << bit
    path.write_bytes(changed)
    with pytest.raises(OrappError, match="was changed after it was built"):
        cache.load(manifest, "fp32", HERE)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_changed_label_never_lets_anything_else_be_loaded(cache, manifest, data):
    """A comment or a space may change; what is loaded is still what was signed for this key."""
    label = cache.store(key(manifest), PLAN).with_suffix(".toml")
    text = bytearray(label.read_bytes())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255).filter(lambda b: b != text[at]))
    label.write_bytes(text)
    with suppress(OrappError):
        assert cache.load(manifest, "fp32", HERE) == PLAN


def test_a_label_of_another_plan_does_not_vouch_for_this_one(cache, manifest):
    one = cache.store(key(manifest), PLAN)
    other = cache.store(key(manifest, precision="fp16"), PLAN[::-1])
    one.with_suffix(".toml").write_bytes(other.with_suffix(".toml").read_bytes())
    with pytest.raises(OrappError, match="bears the name of another plan"):
        cache.load(manifest, "fp32", HERE)


def test_a_plan_that_bears_another_plans_name_is_refused(cache, manifest, tmp_path):
    """Else an int8 plan could pass for one of fp16, and be judged by other bounds."""
    path = cache.store(key(manifest, precision="int8", source_sha256="1" * 64), PLAN)
    for suffix in (".plan", ".toml"):
        name = path.with_suffix(suffix).name.replace("int8", "fp32")
        path.with_suffix(suffix).rename(path.with_name(name))
    with pytest.raises(OrappError, match="bears the name of another plan"):
        cache.load(manifest, "fp32", HERE)


def test_a_named_target_does_not_excuse_another_driver_or_card(cache, manifest):
    own = {"gpu": ADA.name, "compute": ADA.compute, "driver": "570.1"}
    cache.store(key(manifest, **own), PLAN)
    with pytest.raises(OrappError, match=r"driver 570\.1, here is 580\.65"):
        cache.load(manifest, "fp32", HERE)


def test_a_shared_home_folder_does_not_carry_a_plan_to_another_machine(
    cache, manifest, monkeypatch
):
    cache.store(key(manifest), PLAN)
    monkeypatch.setattr("orapp.engines.plans._machine", lambda: b"another machine")
    with pytest.raises(OrappError, match="was changed after it was built"):
        cache.load(manifest, "fp32", HERE)


def test_a_plan_signed_on_another_machine_is_refused(cache, manifest, tmp_path):
    foreign = PlanCache(tmp_path / "foreign")
    path = foreign.store(key(manifest), PLAN)
    cache.store(key(manifest, precision="fp16"), PLAN)
    for suffix in (".plan", ".toml"):
        source = path.with_suffix(suffix)
        (tmp_path / "plans" / source.name).write_bytes(source.read_bytes())
    with pytest.raises(OrappError, match="was changed after it was built"):
        cache.load(manifest, "fp32", HERE)


def test_the_secret_is_for_its_owner_alone(cache, manifest, tmp_path):
    cache.store(key(manifest), PLAN)
    secret = tmp_path / "plans" / "secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(secret.read_bytes()) == 32
    secret.chmod(0o644)
    with pytest.raises(OrappError, match="others can read the secret"):
        cache.load(manifest, "fp32", HERE)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda p: p.unlink(), "secret that plans are signed with can't be used: No such file"),
        (lambda p: p.write_bytes(b"short"), "secret that plans are signed with is damaged"),
        (lambda p: (p.unlink(), p.mkdir(0o700)), "can't be used: Is a directory"),
    ],
)
def test_a_secret_that_cannot_be_read_refuses_every_plan(
    cache, manifest, tmp_path, spoil, sentence
):
    cache.store(key(manifest), PLAN)
    spoil(tmp_path / "plans" / "secret")
    with pytest.raises(OrappError, match=sentence) as caught:
        cache.load(manifest, "fp32", HERE)
    assert "orapp engine clear" in str(caught.value)


def test_clear_removes_plans_labels_and_secret(cache, manifest, tmp_path):
    cache.store(key(manifest), PLAN)
    cache.store(key(manifest, precision="fp16"), PLAN)
    assert cache.clear() == 2
    assert not list((tmp_path / "plans").iterdir())
    assert cache.clear() == 0


@pytest.mark.parametrize(
    ("text", "gpu"),
    [
        (
            "NVIDIA RTX A4000, 8.6, 580.65.06\nNVIDIA L4, 8.9, 580.65.06\n",
            Gpu("NVIDIA RTX A4000", "sm86", "580.65.06"),
        ),
        ("NVIDIA H100 80GB HBM3, 9.0, 570.1", Gpu("NVIDIA H100 80GB HBM3", "sm90", "570.1")),
        ("NVIDIA RTX PRO 6000, 12.0, 590.1", Gpu("NVIDIA RTX PRO 6000", "sm120", "590.1")),
        ("No devices were found", None),
        ("", None),
    ],
)
def test_the_drivers_tool_is_understood(text, gpu):
    assert parse(text) == gpu
