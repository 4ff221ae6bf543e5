"""The old pusher's files as it wrote them, and what cannot be used, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.moving import oldconfig, oldmap
from replicator.moving.groups import six
from replicator.moving.oldfile import parse

CONF = """\
#Configuratrion file for synchronisation
[general]
#localUrl = mysql://root:secret@127.0.0.1/mainStore
localurl = mysql://chuser:p%40ss@localhost/ch
pushlimit = 10000
synctime = 10

[locations]
local = 0
test = 1  #For testing code
the house! = 1
gone = 0

[local]
resturl = http://127.0.0.1:6543/rest/
[test]
resturl = "http://127.0.0.1:6551/pushdb/rest/"
[the house!]
resturl = https://a.example.org:8443/rest/
"""


def test_a_configuration_as_it_was_in_the_field() -> None:
    old, mistakes = oldconfig.read(CONF, "synchronise.conf")
    assert mistakes == []
    assert old is not None
    assert (old.source.user, old.source.password) == ("chuser", "p@ss")
    assert (old.source.host, old.source.port, old.source.database) == ("localhost", 3306, "ch")
    assert [(d.name, d.enabled, d.url) for d in old.destinations] == [
        ("local", False, "http://127.0.0.1:6543/"),
        ("test", True, "http://127.0.0.1:6551/pushdb/"),
        ("the-house", True, "https://a.example.org:8443/"),
    ]
    notes = " ".join(old.notes)
    assert "gone is off" in notes
    assert "Unix socket" in notes
    assert "[destination the-house]" in notes
    assert "p@ss" not in oldconfig.ini_text(old, "file", "synchronise.conf") + repr(old)


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        ("localurl = ", "#localurl = ", ":2: [general] has no localurl"),
        (
            "mysql://chuser:p%40ss@localhost/ch",
            "sqlite:///s3cret.db",
            ":4: [general] localurl: not a",
        ),
        (
            "mysql://chuser:p%40ss@localhost/ch",
            "mysql://x:s3cret@/ch",
            ":4: [general] localurl: not",
        ),
        ("test = 1", "test = s3cret", ":10: [locations] test: neither 0 nor 1"),
        ("[test]", "[tset]", ":10: [locations] test: there is no section [test]"),
        ("resturl = https://a", "url = https://a", ":18: [the house!] has no resturl"),
        ("https://a.", "https://u:s3cret@a.", ":19: [the house!] resturl: holds a user"),
        (":8443/rest/", ":8443/", ":19: [the house!] resturl: does not end with rest/"),
        (":8443/rest/", ":s3cret/rest/", ":19: [the house!] resturl: not a URL"),
        ("[locations]", "[elsewhere]", ":1: no destination in [locations]"),
        ("[general]", "[general", ":2: neither [section]"),
        ("pushlimit = 10000", "pushlimit", ":5: neither [section] nor key = value"),
        ("synctime = 10", "synctime = %(s3cret)s", ":6: synctime: values that are inserted"),
    ],
)
def test_every_mistake_is_told_with_its_line_and_without_its_value(
    line: str, instead: str, told: str
) -> None:
    old, mistakes = oldconfig.read(CONF.replace(line, instead), "synchronise.conf")
    assert old is None
    assert any(told in mistake for mistake in mistakes), mistakes
    assert "s3cret" not in " ".join(mistakes)


MAP = """\
# this file holds details of mappings
# it is strongly recommended that you do not edit!!
[http://127.0.0.1:6543/rest/]
[[lastupdate]]
1 = 2013-01-10 23:55:00
2 = None
3 = "2013-01-10 23:55:00.5"
[[deployment]]
"1" = 7
[[house]]
1 = 12
2 = twelve
[[location]]
[[weather]]
1 = 2
"""


def test_a_mapping_file() -> None:
    maps, mistakes = oldmap.read(MAP, "m.conf")
    known = maps["http://127.0.0.1:6543/rest/"]
    assert known.ids == {("Deployment", 1): 7, ("House", 1): 12}
    assert known.sent_to == {1: "2013-01-10T23:55:00", 3: "2013-01-10T23:55:00"}
    assert [mistake.partition(": ")[0] for mistake in mistakes] == ["m.conf:12", "m.conf:14"]


@settings(max_examples=200)
@given(st.text(alphabet="[]a =#\"'\n%(:/1", max_size=60))
def test_any_text_is_read_or_told(text: str) -> None:
    parse(text)
    oldconfig.read(text, "f")
    oldmap.read(text, "f")


@pytest.mark.parametrize(
    ("value", "sent"),
    [(67669.953125, 67670.0), (18.25, 18.25), (None, None), (7, 7)],
)
def test_a_float_as_the_old_one_sent_it(value: float | None, sent: float | None) -> None:
    assert six(value) == sent
