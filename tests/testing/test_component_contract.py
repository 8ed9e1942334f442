"""Each check of the contract of all kinds fails for a component that breaks it, and says why."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import merc
import merc.testing
from merc.testing.examples import connector, encoder, metric
from tests.testing.broken import frozen, said


def test_component_must_be_an_instance_of_its_kind() -> None:
    check = "test_class_keeps_the_contract_of_its_kind"
    assert said(merc.testing.EncoderContract, encoder.Example, check) == (
        "component is an instance: component = YourClass()"
    )
    assert said(merc.testing.EncoderContract, metric.Example(), check) == (
        "Example is not a merc.Encoder; write: class Example(merc.Encoder)"
    )


def test_defaults_that_do_not_serve() -> None:
    @frozen
    class Bad(encoder.Example):
        window: float = -1.0

    message = said(merc.testing.EncoderContract, Bad(window=1.0), "test_parameters_have_defaults")
    assert message == "Bad() fails with its own defaults: ValueError: window is in seconds and above 0, not -1.0"


def test_parameters_that_yaml_cannot_hold() -> None:
    @frozen
    class Bad(metric.Example):
        how: Any = None

    message = said(merc.testing.MetricContract, Bad(how={1, 2}), "test_parameters_are_plain_values")
    assert message.startswith("parameter 'how' of Bad holds {1, 2}; parameters are numbers, strings")


def test_parameters_without_a_word_about_them() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Bad(metric.Example):
        depth: int = 1
        width: int = 2
        """How wide."""

    assert said(merc.testing.MetricContract, Bad(), "test_parameters_are_documented") == (
        "Bad does not describe depth; name each parameter in the docstring of the class, with what it is and its unit"
    )


def test_module_that_imports_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(metric.__file__).read_text()
    (tmp_path / "heavy_for_a_test.py").write_text(source.replace("import merc\n", "import merc\nimport torch\n", 1))
    monkeypatch.syspath_prepend(str(tmp_path))
    heavy = __import__("heavy_for_a_test")
    message = said(merc.testing.MetricContract, heavy.Example(), "test_module_imports_without_torch")
    assert message.startswith("importing heavy_for_a_test imports torch; move that import into the method that needs")


def test_name_that_is_not_registered_or_is_another_class() -> None:
    check = "test_is_registered_under_its_name"
    message = said(merc.testing.ConnectorContract, connector.Example(), check, name="linera")
    assert message.startswith("unknown connector 'linera'. Did you mean 'linear'?")
    assert message.endswith("Is the plugin installed (pip install -e .)?")
    message = said(merc.testing.ConnectorContract, connector.Example(), check, name="linear")
    assert message == (
        "connector 'linear' is merc.builtin.connectors:Linear, not merc.testing.examples.connector:Example"
    )


@pytest.mark.parametrize("named", [False, True])
def test_a_server_or_a_variable_that_is_not_named(named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY_OF_A_TEST", "secret")

    @frozen
    class Sends(metric.Example):
        def servers(self) -> tuple[str, ...]:
            return ("http://localhost:9/v1",) if named else ()

        def variables(self) -> tuple[str, ...]:
            return ("A_KEY_OF_A_TEST",) if named else ()

        def compute(self, predictions: Any, labels: Any) -> dict[str, Any]:
            merc.read_variable("A_KEY_OF_A_TEST", "metric mine")
            with suppress(OSError):
                socket.create_connection(("localhost", 9), timeout=1).close()
            return dict(super().compute(predictions, labels))

    case = type("Case", (merc.testing.MetricContract,), {"component": Sends()})()
    case.setup_method()
    case.test_one_prediction_is_enough()
    if named:
        case.teardown_method()
        return
    with pytest.raises(AssertionError) as caught:
        case.teardown_method()
    assert "Sends uses localhost, A_KEY_OF_A_TEST" in str(caught.value)
