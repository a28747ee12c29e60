"""Writes tests/golden/text/tokenizer_cases.json: texts and the ids that the models' own programs
give (sentencepiece; tokenizers with tokenizer.json). Needs Python with both packages.

usage: tokenizer_cases.py DATA_FOLDER OUTPUT
"""
import json
import lzma
import random
import sys

import sentencepiece
from tokenizers import Tokenizer

UNITS = [
    " ", "  ", "\n", "\t", "\r\n", "a", "B", "é", "ß", "ſ", "'s", "'LL", "'ſ",
    "123", "１２", "½", "中", "文", "か", "ｶﾞ", "😀", "👨\u200d👩",
    "\u0301", "\u0327", "\u200b", "\u00a0", "\u3000", "\u180e", "\u2028", ".", "...",
    "!?", "$", "`", "~", "_", "<s>", "</s>", "▁", "\ufffd", "İ", "ﬁ", "㎏",
    "ﷺ", "Ａ", "й", "א", "हि", "ไทย", "\u0085", "##", "don't",
    "[CLS]", "[UNK]", "<|endoftext|>", "x" * 30, " " * 18, "\ufeff", "\u00ad",
    "\u0345\u0313",
]


def make_texts(data):
    rng = random.Random(1)
    english = lzma.open(f"{data}/text/misc/botchan.txt.xz").read().decode()
    japanese = lzma.open(f"{data}/text/misc/wagahaiwa_nekodearu.txt.xz").read().decode()
    texts = []
    for source, length, count in ((english, 160, 25), (japanese, 40, 15)):
        for _ in range(count):
            begin = rng.randrange(len(source) - length)
            texts.append(source[begin:begin + rng.randrange(1, length)])
    for _ in range(110):
        texts.append("".join(rng.choice(UNITS) for _ in range(rng.randrange(1, 20))))
    return texts


def encoders(data):
    base = f"{data}/conformance"
    for name in ("test_model", "llama2_tokenizer"):
        path = f"sentencepiece/{name}.model"
        model = sentencepiece.SentencePieceProcessor(model_file=f"{base}/{path}")
        yield path, model.encode
    for name in ("bert-base-uncased.json.xz", "20B_tokenizer.json.xz"):
        document = json.load(lzma.open(f"{base}/hf_tokenizers/{name}"))
        document["post_processor"] = None
        tokenizer = Tokenizer.from_str(json.dumps(document))
        # Control tokens written in a text are found, as tokenizers always does.
        yield f"hf_tokenizers/{name}", lambda text, t=tokenizer: t.encode(text).ids


def main():
    data, output = sys.argv[1:]
    texts = make_texts(data)
    cases = {"texts": texts}
    for name, encode in encoders(data):
        cases[name] = [encode(text) for text in texts]
    with open(output, "w") as file:
        lines = []
        for key, values in cases.items():
            rows = ",\n".join(json.dumps(value, separators=(",", ":")) for value in values)
            lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


main()
