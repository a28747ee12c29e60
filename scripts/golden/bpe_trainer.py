#!/usr/bin/env python3
"""Makes the golden values of the BPE trainer's tests with Hugging Face's tokenizers.

Needs Python with `tokenizers`; only for development, the tests do not need it.

    python scripts/golden/bpe_trainer.py

Reads tests/golden/text/bpe_trainer_text.txt (documents divided by blank lines) and writes
bpe_trainer_merges.json beside it: for each pre-tokenizer and size the merges; and, from the data
folder (MINIM_DATA), the number and the FNV-1a hash of the merges that a larger text gives.
"""
import json
import lzma
import os
import pathlib

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests/golden/text"
DATA = pathlib.Path(os.environ.get("MINIM_DATA", ROOT.parent / "shared/data"))
LLAMA = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
         r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_level(pattern):
    if pattern is None:
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def merges(texts, pattern, size, frequency_min):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = byte_level(pattern)
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=frequency_min, show_progress=False,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return [" ".join(pair) for pair in model["merges"]]


def fnv1a(text):
    value = 0xcbf29ce484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return f"{value:016x}"


def main():
    texts = (GOLDEN / "bpe_trainer_text.txt").read_text().split("\n\n")
    cases = []
    for name, pattern, size, least in [("gpt-2", None, 700, 2), ("llama-bpe", LLAMA, 500, 3)]:
        cases.append({"pre_tokenizer": name, "size": size, "frequency_min": least,
                      "merges": merges(texts, pattern, size, least)})
    path = "text/tinystories/tinystories_sample.txt.xz"
    stories = lzma.open(DATA / path, "rt", newline="").read().split("<|endoftext|>")
    large = []
    for size in (4096, 100000):
        found = merges(stories, None, size, 2)
        large.append({"file": path, "size": size, "count": len(found),
                      "hash": fnv1a("\n".join(found))})
    result = {"cases": cases, "large": large}
    (GOLDEN / "bpe_trainer_merges.json").write_text(
        json.dumps(result, ensure_ascii=False, indent=0) + "\n")


main()
