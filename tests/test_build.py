"""Real compiling with TensorRT-RTX on this CPU, up to where a driver is needed."""

import importlib
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest

from orapp.engines.build import MODULES, build, compile_plan, find_tensorrt, runtimes_here
from orapp.engines.gpu import Gpu, find_gpu
from orapp.engines.plans import PlanCache, Runtime
from orapp.engines.tensorrt import TensorRtEngine
from orapp.engines.trust import find_model, load_manifest
from orapp.errors import NotThere, OrappError
from tests.models import write_bright_model

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
TARGETS = ("sm86", "sm89", "sm120")


@pytest.fixture(scope="module")
def model():
    folder = find_model("pfnet-lite")
    return folder, load_manifest(folder)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_shipped_model_compiles_in_every_precision(model, tmp_path, precision, capsys):
    folder, manifest = model
    phases, begin = set(), time.monotonic()
    path, key = build(
        folder,
        manifest,
        precision,
        PlanCache(tmp_path),
        flavour="tensorrt-rtx",
        targets=TARGETS,
        progress=lambda phase, done, steps: phases.add(phase),
    )
    with capsys.disabled():
        size, seconds = path.stat().st_size / 2**20, time.monotonic() - begin
        print(f"\npfnet-lite {precision}: {size:.1f} MB for {', '.join(TARGETS)}, {seconds:.1f} s")
    assert key.targets == TARGETS
    assert phases
    ada = Runtime("tensorrt-rtx", trt.__version__, Gpu("any", "sm89", "any"))
    assert PlanCache(tmp_path).load(manifest, precision, ada) == path.read_bytes()


def test_pfnet_with_resnet_50_compiles_in_fp16(tmp_path, capsys):
    import torch

    from orapp.pfnet.export import Deployed, halved, to_onnx
    from orapp.pfnet.variants import NETWORKS

    torch.manual_seed(0)
    to_onnx(Deployed(halved(NETWORKS["pfnet"]())).eval(), tmp_path / "pfnet.onnx", (416, 416))
    begin = time.monotonic()
    plan = compile_plan(trt, (tmp_path / "pfnet.onnx").read_bytes(), TARGETS)
    with capsys.disabled():
        seconds = time.monotonic() - begin
        print(f"\nPFNet fp16: {len(plan) / 2**20:.1f} MB for {', '.join(TARGETS)}, {seconds:.1f} s")
    assert len(plan) > 50 * 2**20


def test_turing_refuses_attention_in_float32_and_is_told_so(model, tmp_path):
    folder, manifest = model
    with pytest.raises(OrappError, match=r"TensorRT can't compile the model: .*FP32 GEMM"):
        build(folder, manifest, "fp16", PlanCache(tmp_path), targets=("sm75",))
    assert not list(tmp_path.glob("*.plan"))


@pytest.mark.parametrize("target", ["sm90", "ada", ""])
def test_an_unknown_target_is_one_sentence(model, tmp_path, target):
    folder, manifest = model
    with pytest.raises(OrappError, match=f"'{target}' is no target of TensorRT-RTX; use some of"):
        build(folder, manifest, "fp32", PlanCache(tmp_path), targets=(target,))


def test_what_is_no_onnx_is_one_sentence():
    with pytest.raises(OrappError, match="TensorRT can't read the model"):
        compile_plan(trt, b"no model" * 100, TARGETS)


def test_a_model_that_was_changed_is_not_compiled(model, tmp_path):
    folder = shutil.copytree(model[0], tmp_path / "copy")
    (folder / "model.onnx").write_bytes(b"another")
    with pytest.raises(OrappError, match="not the file that its manifest names"):
        build(folder, model[1], "fp32", PlanCache(tmp_path), targets=TARGETS)


def test_a_form_that_does_not_ship_is_told(tmp_path):
    folder = write_bright_model(tmp_path / "bright")
    with pytest.raises(OrappError, match="bright does not ship as int8"):
        build(folder, load_manifest(folder), "int8", PlanCache(tmp_path))


def test_a_flavour_that_is_missing_or_broken_does_not_hide_the_other(monkeypatch):
    """One that can't load its libraries raises whatever it likes."""
    real = importlib.import_module

    def one_is_broken(name):
        if name == "tensorrt":
            raise FileNotFoundError("libnvinfer.so: no such file")
        return real(name)

    monkeypatch.setattr("orapp.engines.build.importlib.import_module", one_is_broken)
    assert find_tensorrt()[0] == "tensorrt-rtx"
    assert [here.flavour for here in runtimes_here()] == ["tensorrt-rtx"]
    with pytest.raises(OrappError, match=r"tensorrt can't be loaded: libnvinfer\.so: no such"):
        find_tensorrt("tensorrt")
    monkeypatch.setitem(MODULES, "tensorrt", "no_such_module")
    monkeypatch.setattr("orapp.engines.build.importlib.import_module", real)
    with pytest.raises(NotThere, match=r"tensorrt is not installed; see docs/gpu\.md"):
        find_tensorrt("tensorrt")


def test_auto_takes_openvino_where_a_loaded_plan_is_not_what_its_model_is(model, monkeypatch):
    from orapp.engines import EngineSpec
    from orapp.engines.openvino import OpenVinoEngine
    from orapp.verify import open_verified

    class Wrong(OpenVinoEngine):
        def infer(self, image):
            return replace(super().infer(image), spine=float("nan"))

    monkeypatch.setattr("orapp.engines._open_tensorrt", lambda manifest: Wrong(*model))
    with open_verified(EngineSpec("pfnet-lite", "auto")) as engine:
        assert type(engine) is OpenVinoEngine
        assert "no TensorRT: the engine is not what its model is: " in engine.identity.why


@pytest.mark.skipif(find_gpu() is not None, reason="a GPU is here: the driver won't refuse")
def test_without_a_driver_the_run_time_is_refused_in_the_drivers_words(model, tmp_path):
    folder, manifest = model
    path, _ = build(folder, manifest, "fp16", PlanCache(tmp_path), targets=TARGETS)
    here = Runtime("tensorrt-rtx", trt.__version__, None)
    with pytest.raises(OrappError, match=r"TensorRT refuses the plan: .*CUDA") as caught:
        TensorRtEngine(manifest, path.read_bytes(), here, "fp16")
    assert "\n" not in str(caught.value)


def test_a_gpu_that_can_not_be_compiled_for_is_told_when_building(model, tmp_path, monkeypatch):
    """Without --for the plan is for this very GPU: not one that fails when the case begins."""
    for compute, sentence in (("sm75", "FP32 GEMM"), ("sm90", "'sm90' is no target")):
        gpu = Gpu("a card", compute, "580.65")
        monkeypatch.setattr("orapp.engines.build.find_gpu", lambda gpu=gpu: gpu)
        with pytest.raises(OrappError, match=sentence):
            build(*model, "fp16", PlanCache(tmp_path), flavour="tensorrt-rtx")
    assert not list(tmp_path.glob("*.plan"))


@pytest.mark.parametrize("error", [TypeError("factory returned nullptr"), OSError("no libcuda")])
def test_auto_falls_back_whatever_a_driver_raises(model, monkeypatch, error):
    from orapp.engines import EngineSpec
    from orapp.verify import open_verified

    def fail(manifest):
        raise error

    monkeypatch.setattr("orapp.engines._open_tensorrt", fail)
    with open_verified(EngineSpec("pfnet-lite", "auto")) as engine:
        assert engine.identity.backend.startswith("openvino")
        assert engine.identity.why == f"no TensorRT: {error}"


@pytest.mark.skipif(find_gpu() is None, reason="no NVIDIA GPU: a plan can't be run here")
def test_on_a_gpu_a_plan_says_what_the_reference_says(model, tmp_path):
    from orapp.verify import bounds_of, check, load_golden

    folder, manifest = model
    cache = PlanCache(tmp_path)
    build(folder, manifest, "fp16", cache)
    here = runtimes_here()[0]
    plan = cache.load(manifest, "fp16", here)
    with TensorRtEngine(manifest, plan, here, "fp16") as engine:
        check(engine, load_golden(folder, manifest), bounds_of(engine, manifest))
        size = engine.identity.input_size
        first = engine.infer(np.zeros(size, np.uint8)).probability.copy()
        assert np.array_equal(engine.infer(np.zeros(size, np.uint8)).probability, first)
