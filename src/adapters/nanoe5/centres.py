"""Where the model keeps its languages. Its vectors lie in a narrow cone, and each language in a corner of
it: a question is nearer to any text of its own language than to its answer in another. Seen from the middle
of each corner that is gone. The middles are those of ordinary sentences, the same in both languages."""

import re

import numpy as np
import numpy.typing as npt

from domain.words import CJK

Vectors = npt.NDArray[np.float32]

_CJK = re.compile(f"[{CJK}]")

ENGLISH_TEXTS = (
    "The library opens at nine.",
    "Water boils at one hundred degrees.",
    "She wrote a letter to her brother.",
    "The company sold fewer cars last year.",
    "Rivers carry sand to the sea.",
    "A triangle has three sides.",
    "He plays the violin in an orchestra.",
    "The law was changed in spring.",
    "Bees live in large colonies.",
    "Press the red button to stop the machine.",
    "The painting shows a quiet village.",
    "Bread is made of flour and water.",
)
ENGLISH_QUESTIONS = (
    "When does the library open?",
    "At what temperature does water boil?",
    "To whom did she write?",
    "How many cars were sold?",
    "What do rivers carry?",
    "How many sides has a triangle?",
    "Which instrument does he play?",
    "When was the law changed?",
    "Where do bees live?",
    "How is the machine stopped?",
    "What does the painting show?",
    "What is bread made of?",
)
CHINESE_TEXTS = (
    "图书馆九点开门。",
    "水在一百度时沸腾。",
    "她给哥哥写了一封信。",
    "公司去年卖出的汽车减少了。",
    "河流把沙子带到大海。",
    "三角形有三条边。",
    "他在乐团里拉小提琴。",
    "这项法律在春天修改了。",
    "蜜蜂生活在大的群体里。",
    "按红色按钮停止机器。",
    "这幅画画的是一个安静的村庄。",
    "面包是用面粉和水做的。",
)
CHINESE_QUESTIONS = (
    "图书馆几点开门？",
    "水在多少度沸腾？",
    "她给谁写了信？",
    "卖了多少辆汽车？",
    "河流带走什么？",
    "三角形有几条边？",
    "他演奏什么乐器？",
    "法律什么时候修改的？",
    "蜜蜂住在哪里？",
    "怎么停止机器？",
    "这幅画画了什么？",
    "面包是用什么做的？",
)
SAMPLES = {  # by whether they are questions, and whether they are Chinese
    (False, False): ENGLISH_TEXTS,
    (False, True): CHINESE_TEXTS,
    (True, False): ENGLISH_QUESTIONS,
    (True, True): CHINESE_QUESTIONS,
}


def is_chinese(text: str) -> bool:
    """Or Japanese: a quarter of it, since such texts are full of foreign names and figures."""
    return 4 * len(_CJK.findall(text)) > len(text)


def seen_from(centres: Vectors, vectors: Vectors) -> Vectors:
    """Of unit length again."""
    moved: Vectors = vectors - centres
    moved /= np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12)
    return moved
