"""Sources by their URI, and the sentences for what isn't one."""

import numpy as np
import pytest

from orapp.errors import OrappError
from orapp.sources import EndOfSource, open_source
from tests.test_dicom_source import stored_run
from tests.test_dicom_source import write as write_dicom
from tests.test_video import write_video

KINDS = "simulated:, v4l2:DEVICE, file:VIDEO, dicom:FILE-OR-FOLDER, session:FOLDER"


@pytest.mark.parametrize("uri", ["", "clip.mkv", "/dev/video0"])
def test_what_has_no_kind_is_no_source(uri):
    with pytest.raises(OrappError) as caught:
        open_source(uri)
    assert str(caught.value) == f"'{uri}' is not a source; use one of {KINDS}"


@pytest.mark.parametrize("kind", ["http", "rtsp", "FILE", ""])
def test_an_unknown_kind_is_named(kind):
    with pytest.raises(OrappError) as caught:
        open_source(f"{kind}:somewhere")
    assert str(caught.value) == f"'{kind}:' is not a kind of source; use one of {KINDS}"


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("file:/nowhere/clip.mkv", "there is no video file 'clip.mkv'; check the path"),
        ("file:", "there is no video file ''; check the path"),
        ("dicom:/nowhere/run.dcm", "'run.dcm' does not exist; check the path"),
        ("v4l2:/dev/video-none", "there is no device '/dev/video-none'; "),
        ("v4l2:", "there is no device ''; "),
        ("dicom:", "'' does not exist; check the path"),
        ("session:/nowhere/s", "'s' is no session: it holds no session.json; give the folder"),
    ],
)
def test_a_source_that_is_not_there_says_so_when_it_is_opened(uri, sentence):
    source = open_source(uri)
    assert source.uri == uri
    with pytest.raises(OrappError) as caught:
        source.open()
    assert str(caught.value).startswith(sentence)
    source.close()


def test_files_are_read_as_fast_as_possible_if_asked(tmp_path):
    write_video(tmp_path / "clip.mkv", frames=3)
    write_dicom(tmp_path / "run.dcm", stored_run(8, 3), 8, FrameTime=30_000)
    for uri in (f"file:{tmp_path}/clip.mkv", f"dicom:{tmp_path}/run.dcm"):
        source = open_source(uri, as_fast_as_possible=True)
        form = source.open()
        shapes = []
        try:
            while True:
                picture = source.read(0)
                assert picture is not None
                shapes.append(picture.pixels.shape)
                assert picture.pixels.dtype == np.uint8
        except EndOfSource:
            pass
        assert shapes == [(form.height, form.width)] * 3
        source.close()
