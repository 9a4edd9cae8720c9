"""Names to which terminals give different widths."""

from __future__ import annotations

DOUBTFUL = (
    "बाल्टी",  # Devanagari: spacing marks and a conjunct
    "வாளி",  # Tamil
    "ไม้",  # Thai
    "مَرْحَبًا",  # Arabic with vowel marks
    "שָׁלוֹם",  # Hebrew with points
    "👍🏽",  # a skin tone
    "\U0001f3fb",  # a skin tone alone
    "🇩🇪",  # a flag
    "👨\u200d👩\u200d👧",  # a family
    "\u200d",  # a joiner alone
    "❤\ufe0f",  # a variation selector
    "\u1112\u1161\u11ab",  # Hangul letters that form one syllable
    "cafe\u0301",  # a mark
    "Z" + "\u0301\u0316" * 20,  # many marks
    "①★",  # ambiguous
)
