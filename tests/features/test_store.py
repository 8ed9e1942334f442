from __future__ import annotations

import os
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file

from merc.components import Missing
from merc.errors import MercError
from merc.features import FeatureStore
from merc.features.store import Damaged

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store")


def test_what_is_saved_is_what_is_loaded(tmp_path_factory):
    store = FeatureStore(tmp_path_factory.mktemp("store"))

    @given(arrays("float32", st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(width=32)))
    def check(values):
        store.save(KEY, values, frames=3, remarks=("ü", 'a "quoted" remark'))
        assert np.array_equal(store.load(KEY), values, equal_nan=True)
        entry = store.look(KEY)
        assert (entry.shape, entry.frames, entry.remarks) == (values.shape, 3, ("ü", 'a "quoted" remark'))

    check()


def test_a_feature_is_a_plain_safetensors_file(store):
    store.save(KEY, np.arange(6, dtype="float32").reshape(2, 3))
    assert load_file(store.path(KEY))["features"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_loaded_feature_may_be_changed_without_harm(store):
    store.save(KEY, np.ones((1, 2), "float32"))
    store.load(KEY)[:] = 7
    assert store.load(KEY).tolist() == [[1, 1]]


def test_a_long_reason_is_kept(store):
    store.save(KEY, Missing("no face " * 5000))
    assert store.look(KEY).cannot == store.load(KEY).reason == "no face " * 5000


def test_whatever_byte_changes_no_wrong_number_comes_out(store):
    values = np.linspace(0, 1, 40, dtype="float32").reshape(4, 10)
    store.save(KEY, values)
    path = store.path(KEY)
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            assert np.array_equal(store.load(KEY), values)
        except MercError as error:
            refused += 1
            assert str(path) in str(error) and "is damaged" in str(error) and "run the same command again" in str(error)
            assert not path.exists()
    assert refused >= 160  # all the numbers, at least


def test_a_file_that_is_too_short_or_too_long_is_damaged(store):
    store.save(KEY, np.ones((3, 3), "float32"))
    path = store.path(KEY)
    data = path.read_bytes()
    for torn in (data[:-1], data + b"x", data[:20], data[:4], b""):
        path.write_bytes(torn)
        with pytest.raises(Damaged):
            store.look(KEY)


def test_a_store_that_was_emptied_meanwhile(store):
    with pytest.raises(MercError, match=r"cannot be read \(No such file or directory\); was the store emptied"):
        store.load(KEY)


def test_what_a_killed_process_left_is_swept_up_and_what_another_writes_is_not(store):
    folder = store.path(KEY).parent
    folder.mkdir(parents=True)
    old, young = folder / ".x.safetensors.1.tmp", folder / ".y.safetensors.2.tmp"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (time.time() - 9999,) * 2)
    store.save(KEY, np.ones((1, 1), "float32"))
    assert not old.exists() and young.exists()


def test_a_store_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MercError, match=r"the feature store .*/file/store cannot be made: .*; set features.store"):
        FeatureStore(tmp_path / "file" / "store")
