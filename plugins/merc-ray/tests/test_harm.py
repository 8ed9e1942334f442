"""What goes wrong on a cluster: its head dies, a disk is full, a clip ends whoever touches it."""

from __future__ import annotations

import subprocess
import time

import pytest

pytest.importorskip("ray")

pytestmark = pytest.mark.slow


def test_a_head_that_dies_is_told_and_the_rest_is_done_later(new_cluster, folder):
    spread = folder(40)
    spread.set(seconds=0.2)
    process = spread.start("encode", "recipe.yaml", *new_cluster.named, "--json")
    while len(spread.traced("clip")) < 8 and process.poll() is None:
        time.sleep(0.05)
    new_cluster.nodes[0].kill_gcs_server(check_alive=False)
    new_cluster.nodes[0].kill_raylet(check_alive=False)
    out, err = process.communicate(timeout=200)
    assert (process.returncode, out) == (2, "")
    assert "workers 'ray': the cluster at" in err and "is gone (Failed to connect to GCS within 20 seconds)" in err, err
    assert "of 20 jobs of features are done; what was made is kept: give the same command again" in err, err
    assert "Traceback" not in err
    kept = spread.features()
    assert 8 <= len(kept) < 40 and not spread.leavings()

    spread.set()
    spread.trace.unlink()
    again = spread.record("encode", "recipe.yaml", "--json")
    assert again["streams"]["heard"]["encoded"] == 40 - len(kept) == len(spread.traced("clip"))


def test_a_full_disk_is_told_and_nothing_is_half_written(cluster, folder):
    spread = folder(40)
    store = spread.path / "store"
    store.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80k", "tmpfs", store], capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        code, out, err = spread.merc("encode", "recipe.yaml", *cluster.named, "--json")
        assert (code, out) == (2, "")
        assert "error: the disk is full: " in err and "what was written before is whole" in err, err
        assert "of 20 jobs of features are done" in err and "Traceback" not in err, err
        kept = spread.features()  # which reads each
        assert 0 < len(kept) < 40
        assert subprocess.run(["mount", "-o", "remount,size=4m", store]).returncode == 0
        again = spread.record("encode", "recipe.yaml", *cluster.named, "--json")
        assert len(spread.features()) == 40 and again["streams"]["heard"]["encoded"] == 40 - len(kept)
        assert not spread.leavings()
    finally:
        subprocess.run(["umount", store], check=True)


def test_a_clip_that_ends_its_worker_is_given_up_and_the_others_are_done(cluster, folder):
    spread = folder(40)
    spread.set(deadly=round(16_000 * 0.117))
    code, out, err = spread.merc("encode", "recipe.yaml", *cluster.named, "--json")
    assert (code, out) == (2, "")
    assert "1 of 20 jobs were given up, since 3 workers were lost at each" in err, err
    assert "utterances u16 to u17" in err and "20 of 20" not in err and "19 of 20 jobs of features are done" in err, err
    assert len(spread.features()) == 38
    assert err.count("a worker was lost on") == 3, err


def test_an_encoder_that_fails_on_every_clip_ends_the_command(cluster, folder):
    spread = folder(12)
    spread.set(refuses=1)
    code, _, err = spread.merc("encode", "recipe.yaml", *cluster.named)
    assert code == 2 and "ValueError: it is refused; while encoder 'traced' (stream 'heard') encoded u" in err, err
    assert "0 of 6 jobs of features are done" in err and "Traceback" not in err, err


def test_a_cluster_that_is_not_there(folder):
    spread = folder(4)
    workers = "workers={name: ray, address: '127.0.0.1:1'}"
    code, _, err = spread.merc("encode", "recipe.yaml", workers, "--allow", "127.0.0.1:1")
    assert code == 2 and "no cluster can be reached at '127.0.0.1:1'" in err, err
    assert "ray start --head" in err and "0 of 2 jobs of features are done" in err and "Traceback" not in err


def test_a_worker_that_fits_nowhere(cluster, folder):
    workers = f"workers={{name: ray, address: {cluster.address!r}, cpus: 64, gpus: 1}}"
    code, _, err = folder(4).merc("encode", "recipe.yaml", workers, *cluster.named[1:])
    assert code == 2 and "a worker wants 64 CPUs and 1 GPUs, and no machine of the cluster has them" in err, err


def test_an_address_needs_consent(folder):
    code, _, err = folder(4).merc("encode", "recipe.yaml", "workers={name: ray, address: 'evil.example:6379'}")
    assert code == 2 and "workers 'ray' wants to send to http://evil.example:6379" in err, err
