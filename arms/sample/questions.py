# ruff: noqa: RUF001  (Chinese is written with full-width punctuation)
"""The questions' wordings: several for each task, in six languages."""

from collections.abc import Mapping

import numpy as np

from arms.sample.comparisons import COMPARISONS
from arms.sample.lexicon import VERDICTS, translate
from arms.sample.scene import Fact

# Fields in braces are filled in by `lexicon.translate`.
PHRASINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    **COMPARISONS,
    "count-all": {
        "en": ("How many shapes are there?", "Count all the shapes.", "What is the total number of shapes?"),
        "de": ("Wie viele Formen gibt es?", "Zähle alle Formen.", "Wie viele Formen sind insgesamt zu sehen?"),
        "es": ("¿Cuántas figuras hay?", "Cuenta todas las figuras.", "¿Cuál es el número total de figuras?"),
        "fr": ("Combien y a-t-il de formes ?", "Compte toutes les formes.", "Quel est le nombre total de formes ?"),
        "zh": ("一共有多少个图形？", "请数出所有图形。", "图中图形的总数是多少？"),
        "hi": ("कुल कितनी आकृतियाँ हैं?", "सभी आकृतियाँ गिनिए।", "चित्र में आकृतियों की कुल संख्या क्या है?"),
    },
    "count-colour": {
        "en": ("How many {colour} shapes are there?", "Count the {colour} shapes.", "How many shapes are {colour}?"),
        "de": (
            "Wie viele {colour} Formen gibt es?",
            "Wie viele {colour} Formen zeigt das Bild?",
            "Zu zählen: wie viele {colour} Formen?",
        ),
        "es": ("¿Cuántas figuras {colour} hay?", "Cuenta las figuras {colour}.", "¿Cuántas figuras son {colour}?"),
        "fr": (
            "Combien y a-t-il de formes {colour} ?",
            "Compte les formes {colour}.",
            "Combien de formes sont {colour} ?",
        ),
        "zh": ("有多少个{colour}的图形？", "请数出{colour}图形的个数。", "{colour}的图形有几个？"),
        "hi": ("कितनी {colour} आकृतियाँ हैं?", "{colour} आकृतियाँ गिनिए।", "चित्र में {colour} आकृतियों की संख्या क्या है?"),
    },
    "count-shape": {
        "en": ("How many {shape} are there?", "Count the {shape}.", "How many {shape} does the picture show?"),
        "de": ("Wie viele {shape} gibt es?", "Zähle die {shape}.", "Wie viele {shape} zeigt das Bild?"),
        "es": (
            "¿Cuál es el número de {shape}?",
            "Di el número de {shape}.",
            "¿Qué número de {shape} hay en la imagen?",
        ),
        "fr": ("Combien y a-t-il de {shape} ?", "Compte les {shape}.", "Combien de {shape} l'image montre-t-elle ?"),
        "zh": ("有多少个{shape}？", "请数出{shape}的个数。", "图中有几个{shape}？"),
        "hi": ("कितने {shape} हैं?", "{shape} गिनिए।", "चित्र में कितने {shape} दिखते हैं?"),
    },
    "read-word": {
        "en": ("What does the text say?", "Read the text in the picture.", "Which letters are written here?"),
        "de": ("Was steht da geschrieben?", "Lies den Text im Bild.", "Welche Buchstaben stehen hier?"),
        "es": ("¿Qué dice el texto?", "Lee el texto de la imagen.", "¿Qué letras están escritas aquí?"),
        "fr": ("Que dit le texte ?", "Lis le texte de l'image.", "Quelles lettres sont écrites ici ?"),
        "zh": ("图中的文字是什么？", "请读出图中的文字。", "这里写着哪些字母？"),
        "hi": ("यहाँ क्या लिखा है?", "चित्र का पाठ पढ़िए।", "यहाँ कौन से अक्षर लिखे हैं?"),
    },
    "count-letters": {
        "en": (
            "How many letters does the text have?",
            "Count the letters of the text.",
            "How long is the text, in letters?",
        ),
        "de": (
            "Wie viele Buchstaben hat der Text?",
            "Zähle die Buchstaben des Textes.",
            "Wie lang ist der Text in Buchstaben?",
        ),
        "es": (
            "¿Cuántas letras tiene el texto?",
            "Cuenta las letras del texto.",
            "¿Qué longitud tiene el texto, en letras?",
        ),
        "fr": (
            "Combien de lettres compte le texte ?",
            "Compte les lettres du texte.",
            "Le texte fait combien de lettres ?",
        ),
        "zh": ("图中的文字有几个字母？", "请数出字母的个数。", "这段文字由多少个字母组成？"),
        "hi": ("पाठ में कितने अक्षर हैं?", "पाठ के अक्षर गिनिए।", "पाठ की लंबाई कितने अक्षर है?"),
    },
    "first-letter": {
        "en": (
            "What is the first letter of the text?",
            "Which letter does the text begin with?",
            "Name the first letter.",
        ),
        "de": (
            "Was ist der erste Buchstabe des Textes?",
            "Mit welchem Buchstaben beginnt der Text?",
            "Nenne den ersten Buchstaben.",
        ),
        "es": ("¿Cuál es la primera letra del texto?", "¿Con qué letra empieza el texto?", "Di la primera letra."),
        "fr": (
            "Quelle est la première lettre du texte ?",
            "Par quelle lettre commence le texte ?",
            "Donne la première lettre.",
        ),
        "zh": ("第一个字母是什么？", "这段文字以哪个字母开头？", "请说出首字母。"),
        "hi": ("पाठ का पहला अक्षर क्या है?", "पाठ किस अक्षर से शुरू होता है?", "पहला अक्षर बताइए।"),
    },
    "tallest-bar": {
        "en": ("Which bar is the tallest?", "Give the label of the highest bar.", "Which bar has the largest value?"),
        "de": (
            "Welcher Balken ist der höchste?",
            "Wie heißt der höchste Balken?",
            "Welcher Balken hat den größten Wert?",
        ),
        "es": (
            "¿Qué barra es la más alta?",
            "Di la etiqueta de la barra más alta.",
            "¿Qué barra tiene el mayor valor?",
        ),
        "fr": (
            "Quelle barre est la plus haute ?",
            "Nomme la barre la plus haute.",
            "Quelle barre a la plus grande valeur ?",
        ),
        "zh": ("哪根柱子最高？", "最高的柱子标着什么字母？", "哪根柱子的数值最大？"),
        "hi": ("कौन सा स्तंभ सबसे ऊँचा है?", "सबसे ऊँचे स्तंभ का नाम बताइए।", "किस स्तंभ का मान सबसे अधिक है?"),
    },
    "shortest-bar": {
        "en": ("Which bar is the shortest?", "Give the label of the lowest bar.", "Which bar has the smallest value?"),
        "de": (
            "Welcher Balken ist der niedrigste?",
            "Wie heißt der kürzeste Balken?",
            "Welcher Balken hat den kleinsten Wert?",
        ),
        "es": (
            "¿Qué barra es la más baja?",
            "Di la etiqueta de la barra más corta.",
            "¿Qué barra tiene el menor valor?",
        ),
        "fr": (
            "Quelle barre est la plus basse ?",
            "Nomme la barre la plus courte.",
            "Quelle barre a la plus petite valeur ?",
        ),
        "zh": ("哪根柱子最矮？", "最矮的柱子标着什么字母？", "哪根柱子的数值最小？"),
        "hi": ("कौन सा स्तंभ सबसे छोटा है?", "सबसे छोटे स्तंभ का नाम बताइए।", "किस स्तंभ का मान सबसे कम है?"),
    },
    "bar-value": {
        "en": ("What is the value of bar {label}?", "How high is bar {label}?", "Read off the value of bar {label}."),
        "de": (
            "Welchen Wert hat Balken {label}?",
            "Wie hoch ist Balken {label}?",
            "Lies den Wert von Balken {label} ab.",
        ),
        "es": (
            "¿Cuál es el valor de la barra {label}?",
            "¿Qué altura tiene la barra {label}?",
            "Lee el valor de la barra {label}.",
        ),
        "fr": (
            "Quelle est la valeur de la barre {label} ?",
            "Quelle hauteur a la barre {label} ?",
            "Lis la valeur de la barre {label}.",
        ),
        "zh": ("柱子{label}的数值是多少？", "柱子{label}有多高？", "请读出柱子{label}的数值。"),
        "hi": ("स्तंभ {label} का मान क्या है?", "स्तंभ {label} कितना ऊँचा है?", "स्तंभ {label} का मान पढ़िए।"),
    },
    "left-of": {
        "en": ("Is {a} to the left of {b}?", "Does {a} lie left of {b}?", "Look at {b}: is {a} on its left?"),
        "de": ("Ist {a} links von {of_b}?", "Liegt {a} links von {of_b}?", "Befindet sich {a} links von {of_b}?"),
        "es": (
            "¿Está {a} a la izquierda {of_b}?",
            "¿Se ve {a} a la izquierda {of_b}?",
            "¿Queda {a} a la izquierda {of_b}?",
        ),
        "fr": (
            "Est-ce que {a} est à gauche {of_b} ?",
            "Voit-on {a} à gauche {of_b} ?",
            "Trouve-t-on {a} à gauche {of_b} ?",
        ),
        "zh": ("{a}在{b}的左边吗？", "{a}是否位于{b}的左侧？", "{b}的左边是{a}吗？"),
        "hi": ("क्या {a} {of_b} के बाईं ओर है?", "क्या {a} {of_b} की बाईं तरफ़ है?", "क्या {of_b} के बाईं ओर {a} है?"),
    },
    "above": {
        "en": ("Is {a} above {b}?", "Is {a} higher up than {b}?", "Look at {b}: is {a} above it?"),
        "de": ("Ist {a} über {of_b}?", "Liegt {a} oberhalb von {of_b}?", "Befindet sich {a} über {of_b}?"),
        "es": ("¿Está {a} por encima {of_b}?", "¿Se ve {a} por encima {of_b}?", "¿Queda {a} más arriba que {b}?"),
        "fr": (
            "Est-ce que {a} est au-dessus {of_b} ?",
            "Voit-on {a} au-dessus {of_b} ?",
            "Trouve-t-on {a} plus haut que {b} ?",
        ),
        "zh": ("{a}在{b}的上方吗？", "{a}是否位于{b}的上面？", "{b}的上方是{a}吗？"),
        "hi": ("क्या {a} {of_b} के ऊपर है?", "क्या {a} {of_b} से ऊपर है?", "क्या {of_b} के ऊपर {a} है?"),
    },
    "overlap": {
        "en": ("Do {a} and {b} overlap?", "Does {a} overlap with {b}?", "Do {a} and {b} touch each other?"),
        "de": ("Überlappen sich {a} und {b}?", "Berühren sich {a} und {b}?", "Überschneiden sich {a} und {b}?"),
        "es": ("¿Se superponen {a} y {b}?", "¿Se tocan {a} y {b}?", "¿Hay contacto entre {a} y {b}?"),
        "fr": (
            "Est-ce que {a} et {b} se chevauchent ?",
            "Est-ce que {a} et {b} se touchent ?",
            "Est-ce que {a} touche {b} ?",
        ),
        "zh": ("{a}和{b}重叠吗？", "{a}与{b}是否重叠？", "{a}和{b}有没有相互重叠？"),
        "hi": ("क्या {a} और {b} एक-दूसरे को छूते हैं?", "क्या {a} और {b} आपस में मिलते हैं?", "क्या {a} और {b} एक-दूसरे को ढकते हैं?"),
    },
}


def phrase(fact: Fact, language: str, rng: np.random.Generator) -> str:
    """Put the fact as a question, in one of the language's wordings."""
    wordings = PHRASINGS[fact.task][language]
    question = wordings[rng.integers(len(wordings))].format(**translate(fact.subject, language))
    return question[0].upper() + question[1:]


def spell(answer: str, language: str) -> str:
    """The answer in the question's language: only yes and no differ from language to language."""
    return VERDICTS[language].get(answer, answer)
