from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directloss.jobs.config import (
    Configuration,
    ConfigurationError,
    read_configuration,
    validate,
)

GUIDE = Path(__file__).parents[2] / "docs" / "train.md"


def test_the_guide_shows_all_defaults() -> None:
    block = re.search(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    shown = tomllib.loads(block[1])
    assert shown == Configuration().model_dump(mode="json", exclude_none=True)
    absent = {
        name
        for section in Configuration().model_dump().values()
        for name, value in section.items()
        if value is None
    }
    assert all(f"{name}" in block[1] for name in absent)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    given: dict[str, object] = {"data": 'a "b"\\c', "missing": ("n/k", ""), "hidden": ()}
    given |= {"batch": 7, "batch_positives": 0.25, "patience": 3}
    written = read_configuration(None, given)
    (tmp_path / "c.toml").write_text(written.to_toml(), encoding="utf-8")
    assert read_configuration(tmp_path / "c.toml", {}) == written


def test_checkpoints_are_no_part_of_what_a_run_is() -> None:
    one, other = (read_configuration(None, {"keep": k}) for k in (1, 9))
    assert one.identity() == other.identity()
    assert one != other


def test_data_may_have_moved() -> None:
    one, other = (read_configuration(None, {"data": path}) for path in ("a.csv", "/b/a.csv"))
    assert one.identity() != other.identity()
    one, other = (
        each.model_copy(update={"data": each.data.model_copy(update={"sha256": "0" * 64})})
        for each in (one, other)
    )
    assert one.identity() == other.identity()
    embedded = [read_configuration(None, {"data": name}) for name in ("digits", "diabetes")]
    one, other = (
        each.model_copy(update={"data": each.data.model_copy(update={"sha256": "embedded"})})
        for each in embedded
    )
    assert one.identity() != other.identity()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = {
    name: st.dictionaries(st.sampled_from([*field.annotation.model_fields, "x"]), VALUES)
    for name, field in Configuration.model_fields.items()
}


@given(st.fixed_dictionaries({}, optional=FIELDS) | VALUES)
def test_any_content_is_taken_or_refused_with_a_path(content: object) -> None:
    try:
        found = validate(content, "c.toml")  # type: ignore[arg-type]
    except ConfigurationError as error:
        assert str(error).startswith("c.toml: ")
    else:
        assert tomllib.loads(found.to_toml())


def test_a_key_of_many_dots_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(".".join("a" * 120_000) + " = 1")
    with pytest.raises(ConfigurationError, match=r"run\.toml: a key has more than 60 dots"):
        read_configuration(file, {})
    path = "/".join(["..."] * 50 + ["v1.2.3.csv"])
    file.write_text(f"# {'.' * 200}\n[data]\npath = '{path}'\n[training]\nl2 = 0.5\n")
    assert read_configuration(file, {}).data.path == path


def test_a_file_that_is_none(tmp_path: Path) -> None:
    for content, message in ((b"\xff", "not UTF-8 text"), (b"[" * 99_999, "not TOML")):
        (tmp_path / "c.toml").write_bytes(content)
        with pytest.raises(ConfigurationError, match=message):
            read_configuration(tmp_path / "c.toml", {})
    with pytest.raises(ValueError, match=r"config: got .*No such file"):
        read_configuration(tmp_path / "nothing.toml", {})
