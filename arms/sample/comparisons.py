# ruff: noqa: RUF001  (Chinese is written with full-width punctuation)
"""The wordings of questions that compare two pictures: several for each task, in six languages."""

from collections.abc import Mapping

# The answer is the number of a picture: 1, 2, or 0 if they are alike.
COMPARISONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "more-shapes": {
        "en": (
            "Which picture shows more shapes, 1 or 2? (0: as many)",
            "Picture 1 or picture 2: where are more shapes? (0: as many)",
            "In which of the two pictures are more shapes: 1 or 2, or 0 for as many?",
        ),
        "de": (
            "Welches Bild zeigt mehr Formen, 1 oder 2? (0: gleich viele)",
            "Bild 1 oder Bild 2: wo sind mehr Formen? (0: gleich viele)",
            "Auf welchem der beiden Bilder sind mehr Formen: 1 oder 2, oder 0 für gleich viele?",
        ),
        "es": (
            "¿Qué imagen muestra más figuras, 1 o 2? (0: las mismas)",
            "Imagen 1 o imagen 2: ¿dónde hay más figuras? (0: las mismas)",
            "¿En cuál de las dos imágenes hay más figuras: 1 o 2, o 0 si hay las mismas?",
        ),
        "fr": (
            "Quelle image montre plus de formes, 1 ou 2 ? (0 : autant)",
            "Image 1 ou image 2 : où y a-t-il plus de formes ? (0 : autant)",
            "Sur laquelle des deux images y a-t-il plus de formes : 1 ou 2, ou 0 pour autant ?",
        ),
        "zh": (
            "哪张图的图形更多，1还是2？（一样多：0）",
            "图1和图2，哪一张图形更多？（一样多：0）",
            "两张图中哪一张有更多图形：1或2，一样多答0？",
        ),
        "hi": (
            "किस चित्र में अधिक आकृतियाँ हैं, 1 या 2? (0: बराबर)",
            "चित्र 1 या चित्र 2: कहाँ अधिक आकृतियाँ हैं? (0: बराबर)",
            "दोनों चित्रों में से किसमें अधिक आकृतियाँ हैं: 1 या 2, या बराबर हों तो 0?",
        ),
    },
    "more-letters": {
        "en": (
            "Which picture shows the longer text, 1 or 2? (0: equally long)",
            "Picture 1 or picture 2: where are more letters? (0: as many)",
            "Which of the two texts has more letters: 1 or 2, or 0 for as many?",
        ),
        "de": (
            "Welches Bild zeigt den längeren Text, 1 oder 2? (0: gleich lang)",
            "Bild 1 oder Bild 2: wo stehen mehr Buchstaben? (0: gleich viele)",
            "Welcher der beiden Texte hat mehr Buchstaben: 1 oder 2, oder 0 für gleich viele?",
        ),
        "es": (
            "¿Qué imagen muestra el texto más largo, 1 o 2? (0: igual de largos)",
            "Imagen 1 o imagen 2: ¿dónde hay más letras? (0: las mismas)",
            "¿Cuál de los dos textos tiene más letras: 1 o 2, o 0 si tienen las mismas?",
        ),
        "fr": (
            "Quelle image montre le texte le plus long, 1 ou 2 ? (0 : aussi longs)",
            "Image 1 ou image 2 : où y a-t-il plus de lettres ? (0 : autant)",
            "Lequel des deux textes a plus de lettres : 1 ou 2, ou 0 pour autant ?",
        ),
        "zh": (
            "哪张图的文字更长，1还是2？（一样长：0）",
            "图1和图2，哪一张字母更多？（一样多：0）",
            "两段文字中哪一段字母更多：1或2，一样多答0？",
        ),
        "hi": (
            "किस चित्र का लेख लंबा है, 1 या 2? (0: बराबर)",
            "चित्र 1 या चित्र 2: कहाँ अधिक अक्षर हैं? (0: बराबर)",
            "दोनों लेखों में से किसमें अधिक अक्षर हैं: 1 या 2, या बराबर हों तो 0?",
        ),
    },
    "taller-bar": {
        "en": (
            "Which chart has the taller highest bar, 1 or 2? (0: equally tall)",
            "Chart 1 or chart 2: where is the largest value? (0: in both)",
            "Which of the two charts reaches higher: 1 or 2, or 0 for equally high?",
        ),
        "de": (
            "Welches Diagramm hat den höheren höchsten Balken, 1 oder 2? (0: gleich hoch)",
            "Diagramm 1 oder Diagramm 2: wo ist der größte Wert? (0: in beiden)",
            "Welches der beiden Diagramme reicht höher: 1 oder 2, oder 0 für gleich hoch?",
        ),
        "es": (
            "¿Qué gráfico tiene la barra máxima más alta, 1 o 2? (0: igual de altas)",
            "Gráfico 1 o gráfico 2: ¿dónde está el mayor valor? (0: en ambos)",
            "¿Cuál de los dos gráficos llega más alto: 1 o 2, o 0 si llegan igual?",
        ),
        "fr": (
            "Quel graphique a la plus haute barre, 1 ou 2 ? (0 : aussi hautes)",
            "Graphique 1 ou graphique 2 : où est la plus grande valeur ? (0 : dans les deux)",
            "Lequel des deux graphiques monte plus haut : 1 ou 2, ou 0 pour aussi haut ?",
        ),
        "zh": (
            "哪张图表的最高柱更高，1还是2？（一样高：0）",
            "图表1和图表2，最大值在哪一张？（两张都有：0）",
            "两张图表中哪一张更高：1或2，一样高答0？",
        ),
        "hi": (
            "किस चार्ट का सबसे ऊँचा स्तंभ अधिक ऊँचा है, 1 या 2? (0: बराबर)",
            "चार्ट 1 या चार्ट 2: सबसे बड़ा मान कहाँ है? (0: दोनों में)",
            "दोनों चार्टों में से कौन अधिक ऊँचा है: 1 या 2, या बराबर हों तो 0?",
        ),
    },
}
