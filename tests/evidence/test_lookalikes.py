"""What names hide is shown, and names that look alike are found."""

import pytest

from evidence.lookalikes import (
    find_lookalike,
    lookalike_key,
    show_hidden,
)

HIDDEN = [
    *("\u202e", "\u202a", "\u202b", "\u202c", "\u202d"),  # embeddings, overrides
    *("\u2066", "\u2067", "\u2068", "\u2069"),  # isolates
    *("\u200e", "\u200f", "\u061c"),  # marks
    *("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad"),  # zero width
    *("\u00a0", "\u2003", "\u2009", "\u202f", "\u3000", "\u1680"),  # spaces
    *("\u2028", "\u2029", "\n", "\r", "\t", "\x00", "\x1b", "\x7f", "\x85"),
    *("\u115f", "\u3164", "\uffa0", "\u2800", "\u034f", "\u180e", "\ufe0f"),
    *("\U000e0041", "\U000e0100", "\ue000"),  # tags, variation, private use
]


@pytest.mark.parametrize("character", HIDDEN, ids=lambda char: f"U+{ord(char):04X}")
def test_a_hidden_character_is_shown_as_its_code_point(character: str) -> None:
    shown = show_hidden(f"inv{character}gpj.exe")
    assert shown == f"inv⟨U+{ord(character):04X}⟩gpj.exe"


@pytest.mark.parametrize(
    "name",
    [
        "invoice.jpg",
        "Rapport d'été – n° 7.pdf",
        "日本語 ログ.txt",
        "שלום.log",
        "🔥.png",
        "",
    ],
)
def test_a_name_without_hidden_characters_stays_as_it_is(name: str) -> None:
    assert show_hidden(name) == name


@pytest.mark.parametrize("character", HIDDEN, ids=lambda char: f"U+{ord(char):04X}")
def test_a_hidden_character_makes_no_other_name(character: str) -> None:
    # In the middle, a kind of space reads as a space.
    assert lookalike_key(f"ext.weather{character}") == lookalike_key("ext.weather")
    assert lookalike_key(f"{character}ext.weather") == lookalike_key("ext.weather")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ext.weather", "EXT.Weather"),
        ("ext.weather", "ext.weather "),
        ("ext.weather", "ext.we\u0430ther"),  # Cyrillic a
        ("ext.weather", "\u0435xt.w\u0435ath\u0435r"),  # Cyrillic e
        ("ext.weather", "ｅｘｔ．ｗｅａｔｈｅｒ"),  # full width
        ("ext.weather", "𝐞𝐱𝐭.𝐰𝐞𝐚𝐭𝐡𝐞𝐫"),  # mathematical
        ("ext.weather", "ext․weather"),  # one dot leader
        ("ext-tools", "ext‑tools"),  # non-breaking hyphen
        ("paypal", "paypaI"),
        ("paypal", "paypa1"),
        ("admin", "аdmіn"),
        ("admin", "\u0410DMIN"),
        ("rn.tools", "m.tools"),
        ("o.tools", "0.tools"),
        ("RESPONDER", "responder"),
        ("RESP0NDER", "responder"),
        ("omega", "οmega"),  # Greek o
        ("straße", "STRASSE"),
        ("ﬁle", "file"),
    ],
)
def test_names_that_look_alike_have_one_key(one: str, other: str) -> None:
    assert lookalike_key(one) == lookalike_key(other)
    assert find_lookalike(other, ["something", one]) == one


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ext.weather", "ext.whether"),
        ("ext.weather", "ext-weather"),
        ("ext.number-2", "ext.number-3"),
        ("ext.a", "ext.b"),
        ("a b", "ab"),
        ("nora", "vora"),
        ("nora", "hora"),
        ("yes", "ues"),
        ("日本", "日木"),
    ],
)
def test_names_that_a_reader_tells_apart_have_two_keys(one: str, other: str) -> None:
    assert lookalike_key(one) != lookalike_key(other)
    assert find_lookalike(one, [other]) is None


def test_a_name_does_not_look_like_itself() -> None:
    assert find_lookalike("ext.weather", ["ext.weather"]) is None


def test_a_very_long_name_has_a_key_that_a_column_holds() -> None:
    assert len(lookalike_key("\ufdfa" * 5_000)) == 255


def test_a_text_of_several_lines_keeps_its_line_breaks() -> None:
    assert show_hidden("a\n\u202eb", keep="\n") == "a\n⟨U+202E⟩b"
