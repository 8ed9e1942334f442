"""The contract of workers, on a cluster of two nodes; and what is wrong before there is one."""

from __future__ import annotations

import pytest
from merc_ray.workers import Ray

import merc
import merc.testing

pytest.importorskip("ray")


@pytest.mark.slow
class TestRay(merc.testing.WorkersContract):
    component = Ray()
    name = "ray"

    @pytest.fixture(autouse=True)
    def there(self, cluster):
        type(self).component = Ray(address=cluster.address)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"count": 0}, "count counts from 1, not 0"),
        ({"attempts": 0}, "attempts counts from 1, not 0"),
        ({"cpus": 0}, "cpus and gpus count from 0, and not both are 0; they are 0 and 0"),
        ({"gpus": -1}, "they are 1 and -1"),
    ],
)
def test_values_that_cannot_be(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        Ray(**values)


def test_only_a_named_cluster_needs_consent():
    assert [Ray(address=one).servers() for one in ("auto", "local")] == [(), ()]
    assert Ray(address="ray://10.0.0.5:10001").servers() == ("http://10.0.0.5:10001",)


def test_a_run_says_that_it_computes_in_its_own_process(tmp_path):
    (tmp_path / "talk.jsonl").write_text('{"id": "c", "utterances": [{"text": "So."}]}\n')
    corpus = {"name": "jsonl", "path": str(tmp_path / "talk.jsonl")}
    recipe = merc.load_recipe({"corpus": corpus, "workers": {"name": "ray"}})
    assert recipe.notes == (
        "workers: a run computes in its own process; merc encode and merc annotate before it use 'ray'",
    )
