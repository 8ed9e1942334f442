import sys

import pytest

from merc.cli.deferred import Deferred, defer, load


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package ``later`` with a module ``part``; both write down that they ran."""
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "__init__.py").write_text("import sys\nsys.ran_later.append(__name__)\nvalue = 7\n")
    (tmp_path / "later" / "part.py").write_text("import sys\nsys.ran_later.append(__name__)\nother = 8\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "ran_later", [], raising=False)
    yield sys.ran_later
    for name in ("later", "later.part"):
        sys.modules.pop(name, None)


def test_code_runs_when_a_name_is_asked_for(package) -> None:
    later = defer("later")
    import later as imported

    assert imported is later and package == []
    assert later.value == 7 and package == ["later"]
    assert later.value == 7 and package == ["later"], "it runs once"
    assert not isinstance(later, Deferred)


def test_a_module_of_it_is_imported_after_it(package) -> None:
    defer("later")
    from later.part import other

    assert other == 8 and package == ["later", "later.part"]


def test_a_module_of_it_that_is_named_is_imported_without_it(package) -> None:
    later = defer("later", before=["later.part"])
    from later.part import other

    assert other == 8 and package == ["later.part"]
    assert later.value == 7 and package == ["later.part", "later"]


def test_a_module_of_a_package_that_is_not_imported_waits_too(package) -> None:
    part = defer("later.part")
    assert part is not None and package == []
    from later import part as imported

    assert package == ["later"] and imported is part
    assert part.other == 8 and package == ["later", "later.part"]


def test_one_waits_for_another(package) -> None:
    part = defer("later.part")
    later = defer("later", after=part)
    assert later.value == 7 and package == ["later.part", "later"]


def test_functions_stand_in_until_then(package) -> None:
    later = defer("later", value=lambda: "not yet")
    assert later.value() == "not yet" and package == []
    assert load(later) and not load(later)
    assert later.value == 7 and package == ["later"]


def test_a_name_that_is_not_there_says_so(package) -> None:
    with pytest.raises(AttributeError, match="nothing"):
        defer("later").nothing  # noqa: B018


def test_what_is_imported_or_not_installed_is_left_alone() -> None:
    assert defer("json") is None and not isinstance(sys.modules["json"], Deferred)
    assert defer("merc_not_installed") is None and "merc_not_installed" not in sys.modules
    assert defer("merc_not_installed.part") is None
    assert not load(sys)
