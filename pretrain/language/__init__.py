"""How facts become texts in English, German, Spanish, French, Chinese and Hindi."""

LANGUAGES = ("en", "de", "es", "fr", "zh", "hi")
