"""Character sets: every code that a server knows is the character that it shows."""

from __future__ import annotations

from contextlib import closing

import pytest

from demo.mariadbd import PrivateMariaDB
from replicator.errors import Unsupported
from replicator.source.charsets import DOUBLED, is_known_charset, text_converter
from tests.source.charset_tables import CODECS, characters, codes


@pytest.mark.parametrize("charset", sorted(CODECS))
def test_every_code_is_the_character_that_a_server_shows(
    mariadb: PrivateMariaDB, charset: str
) -> None:
    with closing(mariadb.connect()) as connection:
        told = characters(connection, charset)
    convert = text_converter(charset)
    assert len(told) > 90
    assert {code: convert(code) for code in told} == told
    assert (len(set(told.values())) < len(told)) == (charset in DOUBLED)
    for code in codes(charset):
        if len(code) == 1 and code not in told:
            with pytest.raises(Unsupported, match=charset):
                convert(code)


@pytest.mark.parametrize("charset", ["gb18030", "", "klingon"])
def test_an_unknown_character_set_is_refused(charset: str) -> None:
    assert not is_known_charset(charset)
    with pytest.raises(Unsupported, match="character set"):
        text_converter(charset)
