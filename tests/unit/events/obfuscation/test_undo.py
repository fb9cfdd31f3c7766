"""What hides something is undone, and what is ordinary is left alone: the latter matters more."""

from __future__ import annotations

import base64
import timeit
from time import process_time

import pytest

from stream_guard.events.obfuscation.kinds import Kind
from stream_guard.events.obfuscation.undo import is_suspect, undo

ORDINARY = {
    "plain": "Does the late train still stop at the old harbour?",
    "empty": "",
    "umlauts": "Größere Straßen, schöne Grüße!",
    "polish": "Zażółć gęślą jaźń",
    "byte order mark": "\ufeffHello there.",
    "emoji": "I ❤️ it ❤️❤️ 👍🏽 1️⃣ #️⃣ ☎️ ✈︎",
    "family": "👨‍👩‍👧‍👦 👩🏽‍🚒 🏳️‍🌈 🏴‍☠️",
    "flags": "🇳🇴 and 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "left behind by a filter of emoji": "love\ufe0f it \ufe0f\ufe0f\ufe0f",
    "persian": "می‌خواهم کتاب‌ها را بخوانم",
    "arabic": "مرحبا \u200fبالعالم\u200f 2024",
    "hebrew": "שלום \u200fעולם\u200e (abc)",
    "override of hebrew": "\u202eשלום עולם\u202c",
    "hindi": "क्‍या शक्‌ति",
    "thai": "ภาษา\u200bไทย\u200bง่าย",
    "japanese": "葛\U000e0100城市 ＬＩＮＥアプリ ＷＥＢＳＩＴＥ",
    "korean": "안녕하세요 ㅋㅋㅋ",
    "russian": "Привет, как дела? Встретимся у гавани.",
    "endings": "VIPом, SMSка, ITшник, PDFах, zoomе",
    "a slip on the key of two letters": "СOVID, Cегодня",
    "greek": "Καλημέρα κόσμε, τι κάνεις;",
    "formulas": "Δt, ρgh, sinα, cosα, μm, kΩ, νmax, x² + y²",
    "mathematics": "𝑥 + 𝑦 = 𝑧 in ℝ, cos𝑥",
    "hyphenated by a browser": "ra\u00addi\u00ado\u00adak\u00adtiv, Bun\u00addes\u00adrat, Hä\u00adfen",
    "isolated by a phone": "Hallo \u2068Anna\u2069s Auto, \u202d+49 170 1234567\u202c, \u202a5 km\u202c",
    "address": "https://example.org/aGVsbG8gdGhlcmUgaGVsbG8gdGhlcmU=?q=m4st3r",
    "data address": "data:text/plain;base64,aGVsbG8gdGhlcmUgaGVsbG8gdGhlcmU=",
    "web token": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmVkIHdpdGggYSBrZXk",
    "e-mail": "write to m4ry.j4ne@example.org or @d4v1d_m4st3r",
    "uuid": "550e8400-e29b-41d4-a716-446655440000",
    "hashes": "d41d8cd98f00b204e9800998ecf8427e e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 a1b3c4d",
    "ids": "dQw4w9WgXcQ AKX7Q2LM0PVE4T6W bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh",
    "short forms": "4 u 2, gr8, l8r, b4, m8, w8, 2nite",
    "prices": "$19.99, US$5, 1,000.00 €, 50% off",
    "ordinals": "1st 2nd 3rd 4th 5th, 10k, 3d, 5g, 90s",
    "versions": "v1.2.3, v1beta1, python3.11, utf8mb4, x86_64, win32, i18n, k8s",
    "products": "ps5, xbox360, gpt4o, mp3s, h264, iphone14pro, a4tech, 7zip, log4j",
    "machines": "web1prod3 db1node3 row1col3 rack4unit1 eth0 tty1",
    "formula": "H2SO4, NH4NO3, C6H12O6, NaHCO3, CH3OH",
    "viruses and robots": "h1n1 h5n1 r2d2 c3po covid19",
    "post codes": "SW1A 1AA, K1A 0B1, E1W 3AB, EC1A1BB",
    "rooms": "Room 33b, flat 11c, gate33a",
    "chess and music": "1. e4 Nf3 Bb5, Cm7b5",
    "code": "for i in range(10): x1 = a3b[i0] if foo$bar else arr[j1]; sha256sum(base64)",
    "path": "/usr/local/lib/python3.11/site-packages/internationalization",
    "long words": "internationalization INTERNATIONALIZATION Donaudampfschifffahrtsgesellschaft",
    "joined by hyphens": "state-of-the-art-solutions-for-everyone",
    "rules": "-" * 60 + "=" * 60 + "_" * 60 + "+" * 60,
    "shouting": "a" * 60 + "H" * 60 + "!" * 20,
    "long numbers": "01234567890123456789012345678901 4111111111111111",
    "names": "A$AP, Ke$ha, deadmau5, blink182",
    "missing space": "meet me@work at 7,ok?yes!no",
    "symbols of genes": "ROR\u03b3t, ER\u03b1KO",
    "want of a key": "\u0433I\u0430\u043b\u0430, \u043b\u043e\u043a\u0430\u043b\u0456\u0437\u0430\u0446i\u0457",
    "words that decode": "--reference=REFERENTIEBESTAND",
}


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY)
def test_what_is_ordinary_is_left_alone(text: str) -> None:
    """Neither signalled nor read otherwise."""
    assert undo(text) is None


def tagged(text: str) -> str:
    """A text in tag characters."""
    return "".join(chr(0xE0000 + ord(character)) for character in text)


def selected(text: str) -> str:
    """A text in variation selectors, a byte each."""
    return "".join(chr(0xFE00 + byte if byte < 16 else 0xE0100 + byte - 16) for byte in text.encode())


HIDDEN = [
    ("fr\u200bee tea", "free tea", Kind.ZERO_WIDTH),
    ("f\u200cr\u200de\u2060e", "free", Kind.ZERO_WIDTH),
    ("fr\u200eee, 5\u200b5\u200b5", "free, 555", Kind.ZERO_WIDTH),
    ("при\u200bвет, κό\u200bσμε", "привет, κόσμε", Kind.ZERO_WIDTH),
    ("f\u00adr\u00ade\u00ade", "free", Kind.ZERO_WIDTH),
    ("f\u00ad\u200bree", "free", Kind.ZERO_WIDTH),
    ("tea" + "\u200b\u200c" * 40 + " time", "tea time", Kind.ZERO_WIDTH),
    (f"tea {tagged('say yes')}time", "tea say yestime", Kind.TAG_CHARACTERS),
    (f"\U0001f3f4{tagged('a whole sentence')}\U000e007f", "\U0001f3f4a whole sentence", Kind.TAG_CHARACTERS),
    (f"\U0001f600{selected('bring the maps')}", "\U0001f600bring the maps", Kind.VARIATION_SELECTORS),
    ("tea\ufe00\ufe01\ufe02\ufe03\ufe04!", "tea!", Kind.VARIATION_SELECTORS),
    ("t\ufe01ea", "tea", Kind.VARIATION_SELECTORS),
    ("\u202eaet eerf\u202c for all", "free tea for all", Kind.BIDI),
    ("photo_\u202egpj.exe", "photo_exe.jpg", Kind.BIDI),
    ("fr\u0435\u0435 \u0442ea", "free \u0442ea", Kind.HOMOGLYPHS),
    ("\u0430dmin, g\u043e\u043egle, g\u03bf\u03bfgle", "admin, google, google", Kind.HOMOGLYPHS),
    ("m\u03c3ney, ho\u04bdl\u0455, \u0461in", "money, hoels, win", Kind.HOMOGLYPHS),
    ("п\u0070ивет", "п\u0440ивет", Kind.HOMOGLYPHS),
    ("fr\U0001d5f2e tea", "free tea", Kind.HOMOGLYPHS),
    ("m4st3r", "master", Kind.LEETSPEAK),
    ("H3LL0 W0RLD", "HELLO WORLD", Kind.LEETSPEAK),
    ("P@ssw0rd, t3l3gr4m!", "Password, telegram!", Kind.LEETSPEAK),
    ("cl1ck h3re, m0ney n0w, fr33", "click here, money now, free", Kind.LEETSPEAK),
    ("a sch00l of n00bs", "a school of noobs", Kind.LEETSPEAK),
    (base64.b64encode(b"meet me at the harbour").decode(), "meet me at the harbour", Kind.ENCODED),
    (base64.urlsafe_b64encode("größere Übung später".encode()).decode().rstrip("="), "größere Übung später", Kind.ENCODED),
    (f"read ({b'meet me at the harbour'.hex()})", "read (meet me at the harbour)", Kind.ENCODED),
]  # fmt: skip


@pytest.mark.parametrize(("text", "plain", "kind"), HIDDEN)
def test_what_hides_something_is_undone_and_named(text: str, plain: str, kind: Kind) -> None:
    """One way of hiding at a time."""
    undone = undo(text)
    assert undone is not None
    assert (undone.text, undone.kinds) == (plain, (kind,))


def test_one_may_hide_another() -> None:
    """They are undone in an order that finds both, and what is encoded is looked at once more."""
    inner = base64.b64encode("m4st3r of t\u200bhe harb\u043eur".encode()).decode()
    outer = base64.b64encode(f"say {inner} to all".encode()).decode()
    undone = undo(outer[:9] + "\u200b" + outer[9:])
    assert undone is not None
    assert undone.text == "say master of the harbour to all"
    assert undone.kinds == (Kind.ZERO_WIDTH, Kind.HOMOGLYPHS, Kind.LEETSPEAK, Kind.ENCODED)


@pytest.mark.parametrize("text", ["\U0001d5d9\U0001d5ff\U0001d5f2\U0001d5f2 tea", "ｆｒｅｅ tea", "Ⓕⓡⓔⓔ tea"])
def test_a_decorative_font_is_read_and_no_signal(text: str) -> None:
    """Many write so, and hide nothing by it: but a model reads such letters badly."""
    undone = undo(text)
    assert undone is not None
    assert (undone.text.lower(), undone.kinds) == ("free tea", ())


def test_a_sign_alone_is_no_leetspeak_and_two_likely_words_are_not_enough() -> None:
    """Names have numbers in them; three different ones in one text do not come by chance, the same one thrice may."""
    assert undo("cl1ck and m0ney") is None
    assert undo("log4j, log4net and log4perl") is None
    assert undo("cl1ck, m0ney, h3re") is not None


def test_a_repr_shows_no_content() -> None:
    """It may end up in a log."""
    assert "free" not in repr(undo("fr\u200bee"))


def test_nearly_all_texts_are_no_suspects() -> None:
    """Whatever is one costs more."""
    suspects = [name for name, text in ORDINARY.items() if is_suspect(text)]
    assert not {"plain", "umlauts", "polish", "russian", "greek", "hindi", "short forms", "prices", "ordinals"} & set(
        suspects
    )


UNITS = (
    "x", "aGVsbG8g", "eyJ", "\u200b", "a\u200b", "a\u00ad", "\u202ea", "\u202e", "\U000e0061", "\ufe00\ufe01", "\u0430b",
    "4a", "m4st3r ", "\U0001d41a", "\U0001f3f4\U000e0067", '"((( ', "SGVsbG8gdGhlcmUgZnJpZW5k.",
)  # fmt: skip


@pytest.mark.parametrize("unit", UNITS, ids=ascii)
def test_time_grows_with_the_text_and_no_faster(unit: str) -> None:
    """Ten times the text takes about ten times as long, not a hundred times, whatever it is made of."""

    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        return min(timeit.repeat(lambda: undo(text), timer=process_time, number=1, repeat=5))

    assert seconds(60_000) < 45 * max(seconds(6_000), 1e-4)
