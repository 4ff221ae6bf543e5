"""Reading ini text: values and lines, and every mistake at once."""

from __future__ import annotations

import configparser

from hypothesis import given
from hypothesis import strategies as st

from replicator.config.ini import Setting, parse

NAMES = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
VALUES = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=20
).map(str.strip)


def test_values_keep_everything_behind_the_equals_sign() -> None:
    document = parse("[a b]\nkey = x # y ; z = %(no)s\nempty =\ncolon: 1\n")
    assert document.mistakes == []
    assert document.sections["a b"].settings == {
        "key": Setting("x # y ; z = %(no)s", 2),
        "empty": Setting("", 3),
        "colon": Setting("1", 4),
    }


def test_comments_blank_lines_and_windows_line_ends_are_nothing() -> None:
    document = parse("\r\n# c\r\n; c\r\n[a]\r\nk = v\r\n")
    assert document.mistakes == []
    assert document.sections["a"].settings == {"k": Setting("v", 5)}


def test_an_indented_line_is_a_setting_and_not_part_of_the_value_above() -> None:
    document = parse("[a]\nhost = x\n  port = 1\n")
    assert document.sections["a"].settings["host"].value == "x"
    assert document.sections["a"].settings["port"] == Setting("1", 3)


def test_spaces_in_a_section_name_are_made_single() -> None:
    assert list(parse("[ destination   home ]\n").sections) == ["destination home"]


def test_every_mistake_is_reported_with_its_line() -> None:
    document = parse("k = 1\n[a]\nk = 1\nK = 2\nnonsense\n[a]\n")
    assert document.mistakes == [
        (1, "k: before the first [section]"),
        (4, "k is there twice, first on line 3"),
        (5, "neither [section] nor key = value"),
        (6, "[a] is there twice, first on line 2"),
    ]


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4))
def test_what_configparser_writes_is_read_as_it_was(content: dict[str, dict[str, str]]) -> None:
    lines = []
    for section, settings in content.items():
        lines += [f"[{section}]", *(f"{key} = {value}" for key, value in settings.items())]
    text = "\n".join(lines)
    theirs = configparser.RawConfigParser(default_section="", delimiters=("=",))
    theirs.read_string(text)
    ours = parse(text)
    assert ours.mistakes == []
    assert {
        name: {key: setting.value for key, setting in section.settings.items()}
        for name, section in ours.sections.items()
    } == {name: dict(theirs.items(name)) for name in theirs.sections()}


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    parse(text)
