"""Which language a text is in, where it is not English."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Any

_LATIN = 0.9
_SURE = 0.75
_FEWEST_WORDS = 4
_NAMES = {
    "af": "Afrikaans", "az": "Azerbaijani", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh",
    "da": "Danish", "de": "German", "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque",
    "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician", "hr": "Croatian", "hu": "Hungarian",
    "id": "Indonesian", "is": "Icelandic", "it": "Italian", "la": "Latin", "lt": "Lithuanian", "lv": "Latvian",
    "ms": "Malay", "mt": "Maltese", "nb": "Norwegian", "nl": "Dutch", "nn": "Norwegian", "no": "Norwegian",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "sk": "Slovak", "sl": "Slovenian", "sq": "Albanian",
    "sv": "Swedish", "sw": "Swahili", "tl": "Tagalog", "tr": "Turkish", "uz": "Uzbek", "vi": "Vietnamese",
}  # fmt: skip


def other_language(text: str) -> str | None:
    """What language a text looks like where it is not English: by its script, else by py3langid, which knows 97
    languages (Lui and Baldwin, 2012). A text of fewer than four words, and one of which it is not sure, passes.

    >>> other_language("She smiles and waves."), other_language("Hon ler och tittar mot dörren.")
    (None, 'it looks like Swedish')
    """
    letters = [letter for letter in text if letter.isalpha()]
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    if letters and latin < _LATIN * len(letters):
        return "most letters are not Latin" if latin < len(letters) / 2 else "many letters are not Latin"
    if len(re.findall(r"[^\W\d_]+", text)) < _FEWEST_WORDS:
        return None
    code, share = _identifier().classify(text)
    return None if code == "en" or share < _SURE else f"it looks like {_NAMES.get(code, f'another language ({code})')}"


@functools.cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_modelpath(MODEL_DIR / MODEL_FILE, norm_probs=True)
