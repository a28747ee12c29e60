#!/usr/bin/env python3
"""Makes the seeds of the format readers' fuzz targets: tests/fuzz/{gguf,safetensors,llama2c,
tokenizer_json,hf_config}_fuzz.

    python3 scripts/golden/format_seeds.py OUT

Each seed is a small valid file, or an input that broke a published reader (the name says how).
Needs nothing but Python. Development only: the tests replay the result.
"""

import json
import pathlib
import struct
import sys


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data)) + data


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value & (2**64 - 1))


def gguf(tensors=(), keys=(), data=64, version=3, tensor_count=None, key_count=None):
    out = b"GGUF" + u32(version)
    out += u64(len(tensors) if tensor_count is None else tensor_count)
    out += u64(len(keys) if key_count is None else key_count)
    for key, kind, value in keys:
        out += text(key) + u32(kind) + value
    for name, shape, kind, offset in tensors:
        out += text(name) + u32(len(shape)) + b"".join(map(u64, shape)) + u32(kind) + u64(offset)
    return out + b"\0" * (-len(out) % 32 + data)


def array(kind, values):
    return u32(kind) + u64(len(values)) + b"".join(values)


def vocabulary(scores=None, tokens=("<unk>", "<s>", "</s>", "<0x41>", "a")):
    floats = array(6, [struct.pack("<f", -i) for i in range(len(tokens))])
    return [("tokenizer.ggml.model", 8, text("llama")),
            ("tokenizer.ggml.tokens", 9, array(8, list(map(text, tokens)))),
            ("tokenizer.ggml.scores", 9, scores or floats),
            ("tokenizer.ggml.token_type", 9, array(5, [struct.pack("<i", t)
                                                      for t in (2, 3, 3, 6, 1)])),
            ("tokenizer.ggml.bos_token_id", 4, u32(1)),
            ("tokenizer.chat_template", 8, text("{{ x }}"))]


def gguf_seeds():
    big = 0x7FFFFFFFFFFFFFC0
    numbers = [("u8", 0, b"\1"), ("i8", 1, b"\xff"), ("u16", 2, b"\1\0"), ("i16", 3, b"\1\0"),
               ("u32", 4, u32(1)), ("i32", 5, u32(1)), ("f32", 6, u32(1)), ("bool", 7, b"\1"),
               ("u64", 10, u64(1)), ("i64", 11, u64(1)), ("f64", 12, u64(1))]
    return {
        "valid": gguf([("a", [4, 2], 0, 0), ("b", [32], 8, 32)], numbers, 96),
        "vocabulary": gguf(keys=vocabulary(), data=0),
        "nested": gguf(keys=[("k", 9, array(9, [array(0, [b"\1"]), array(8, [text("x")])]))]),
        "merges": gguf(keys=[("tokenizer.ggml.model", 8, text("gpt2")),
                             ("tokenizer.ggml.tokens", 9, array(8, [text("a"), text("b")])),
                             ("tokenizer.ggml.merges", 9, array(8, [text("a b")]))]),
        "version2": gguf(version=2), "big_endian": gguf(version=0x03000000),
        "key_count": gguf(key_count=2**60), "tensor_count": gguf(tensor_count=2**60),
        "shape_overflow": gguf([("t", [2**32, 2**32], 0, 0)]),
        "byte_overflow": gguf([("t", [2**62], 0, 0)]),
        "exabyte": gguf([("t", [2**58], 0, 0)]),
        "padding_overflow": gguf([("t", [2**63 - 3], 24, 0)]),
        "sum_overflow": gguf([("a", [big], 24, 0), ("b", [big], 24, big)]),
        "offset": gguf([("t", [1], 0, 2**64 - 32)]),
        "zero_size": gguf([("t", [4, 0], 0, 0)]),
        "rank0": gguf([("t", [], 0, 0)]), "rank5": gguf([("t", [1] * 5, 0, 0)]),
        "unknown_type": gguf([("t", [32], 4, 0)]),
        "overlap": gguf([("a", [9], 0, 0), ("b", [1], 0, 32)]),
        "twice": gguf([("a", [1], 0, 0), ("a", [1], 0, 32)]),
        "empty_key": gguf(keys=[("", 0, b"\1")]), "key_twice": gguf(keys=[("k", 0, b"\1")] * 2),
        "alignment": gguf(keys=[("general.alignment", 4, u32(0x80000000))]),
        "alignment_type": gguf(keys=[("general.alignment", 8, text("32"))]),
        "string_length": gguf(keys=[("k", 8, u64(-1))]),
        "array_length": gguf(keys=[("k", 9, u32(8) + u64(2**61))]),
        "deep_arrays": gguf(keys=[("k", 9, (u32(9) + u64(1)) * 50)]),
        "scores_u8": gguf(keys=vocabulary(scores=array(0, [b"\0"] * 5))),
        "byte_token": gguf(keys=vocabulary(tokens=("<unk>", "<s>", "</s>", "<0x-1>", "a"))),
    }


def safetensors(header, data=b""):
    return text(header if isinstance(header, (str, bytes)) else json.dumps(header)) + data


def entry(begin, end, shape=None, dtype="U8"):
    shape = [end - begin] if shape is None else shape
    return dict(dtype=dtype, shape=shape, data_offsets=[begin, end])


def safetensors_seeds():
    return {
        "valid": safetensors({"__metadata__": {"format": "pt"}, "a": entry(0, 8, [2], "F32"),
                              "b": entry(8, 12, [2, 1], "BF16")}, b"\0" * 12),
        "scalar": safetensors({"a": entry(0, 2, [], "F16")}, b"\0" * 2),
        "escapes": safetensors('{"\\u00e9\\ud83d\\ude00":' + json.dumps(entry(0, 1)) + "}", b"x"),
        "header_length": u64(2**63) + b"{}", "header_100mb": u64(100_000_001) + b"{}",
        "not_utf8": safetensors(b'{"\xff":{}}'),
        "twice": safetensors('{"a":%s,"a":%s}' % (json.dumps(entry(0, 1)), json.dumps(entry(1, 2))),
                             b"xx"),
        "product_wraps": safetensors({"a": entry(0, 4, [4194305, 4194305, 211106198978564])},
                                     b"\0" * 4),
        "overlap": safetensors({"a": entry(0, 4), "b": entry(2, 6)}, b"\0" * 6),
        "hole": safetensors({"a": entry(0, 4), "b": entry(6, 8)}, b"\0" * 8),
        "trailing": safetensors({"a": entry(0, 4)}, b"\0" * 5),
        "zero_size": safetensors({"a": entry(0, 4), "b": entry(0, 0, [0])}, b"\0" * 4),
        "f8": safetensors({"a": entry(0, 1, [1], "F8_E4M3")}, b"\0"),
        "deep": safetensors('{"a":' * 100),
    }


def llama2c(version, sizes, rest=b""):
    head = u32(0x616B3432) + u32(version) if version else b""
    return head + struct.pack("<7i", *sizes) + rest


def llama2c_seeds():
    # 2 wide, 2 in the feed-forward block, 1 layer, 1 head, 4 tokens, 1 position.
    sizes = [2, 2, 1, 1, 1, 4, 1]
    matrices = 4 * 2 + 4 * 4 + 3 * 4
    tokens = b"".join(struct.pack("<fi", 0, len(t)) + t for t in
                      [b"<unk>", b"\n<s>\n", b"\n</s>\n", *(b"<0x%02X>" % i for i in range(256)),
                       b" t"])
    pad = b"\0" * (256 - 36 - 5)
    return {
        "version0": llama2c(0, sizes, b"\0" * 4 * (matrices + 3 * 2 + 2)),
        "untied": llama2c(0, [2, 2, 1, 1, 1, -4, 1], b"\0" * 4 * (matrices + 3 * 2 + 2 + 8)),
        "version1": llama2c(1, sizes, b"\1" + b"\0" * 4 + pad + b"\0" * 4 * (matrices + 6)),
        "version2": llama2c(2, sizes, b"\1" + u32(2) + pad + b"\0" * (24 + matrices * 3)),
        "version3": llama2c(3, sizes, b"\0" * 256),
        "huge": llama2c(0, [2**31 - 1] * 7), "negative": llama2c(0, [-1] * 7),
        "tokenizer": u32(7) + tokens, "long_token": u32(7) + tokens[:4] + u32(2**31 - 1),
    }


BYTE_LEVEL = dict(type="ByteLevel", add_prefix_space=False, use_regex=False)
SPLIT = dict(type="Split", pattern=dict(Regex=r"\p{N}|\s+"), behavior="Isolated", invert=False)
ADDED = [dict(id=3, content="<s>", special=True, lstrip=True, rstrip=False, normalized=False,
              single_word=False)]
TEMPLATE = dict(type="TemplateProcessing",
                single=[dict(SpecialToken=dict(id="<s>", type_id=0)),
                        dict(Sequence=dict(id="A", type_id=0))],
                special_tokens={"<s>": dict(id="<s>", ids=[3], tokens=["<s>"])})


def tokenizer_json_seeds():
    mark = "\u2581"
    bpe = dict(type="BPE", vocab=dict(a=0, b=1, ab=2), merges=["a b"], ignore_merges=True)
    spm = dict(type="BPE", unk_token="<unk>", byte_fallback=True, merges=[["a", "b"]],
               vocab={"<unk>": 0, "<0x41>": 1, "a": 2, "b": 3, "ab": 4})
    spaces = dict(type="Sequence", normalizers=[
        dict(type="Prepend", prepend=mark),
        dict(type="Replace", pattern=dict(String=" "), content=mark)])
    charsmap = dict(type="Sequence", normalizers=[
        dict(type="Precompiled", precompiled_charsmap="AAECAw=="),
        dict(type="Replace", pattern=dict(Regex=" {2,}"), content=" ")])
    bert = dict(unk_token="[UNK]", max_input_chars_per_word=100,
                vocab={"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "word": 3, "##s": 4})
    documents = {
        "byte_bpe": dict(added_tokens=ADDED, normalizer=dict(type="NFC"), post_processor=TEMPLATE,
                         pre_tokenizer=dict(type="Sequence", pretokenizers=[SPLIT, BYTE_LEVEL]),
                         decoder=BYTE_LEVEL, model=bpe),
        "sentencepiece_bpe": dict(normalizer=spaces, model=spm),
        "unigram": dict(normalizer=charsmap, pre_tokenizer=dict(type="Metaspace"),
                        model=dict(type="Unigram", unk_id=0, vocab=[["<unk>", 0], ["a", -1.5]])),
        "word_piece": dict(normalizer=dict(type="BertNormalizer", lowercase=True),
                           pre_tokenizer=dict(type="BertPreTokenizer"),
                           post_processor=dict(type="BertProcessing", sep=["[SEP]", 2],
                                               cls=["[CLS]", 1]), model=bert),
        "huge_id": dict(decoder=BYTE_LEVEL, model=dict(bpe, vocab=dict(a=2**31 - 1))),
        "same_id": dict(decoder=BYTE_LEVEL, model=dict(bpe, vocab=dict(a=0, b=0))),
        "unknown": dict(normalizer=dict(type="Nmt"), decoder=BYTE_LEVEL, model=bpe),
    }
    seeds = {name: json.dumps(document).encode() for name, document in documents.items()}
    seeds["deep"] = b"[" * 100
    return seeds


def hf_config_seeds():
    base = dict(hidden_size=4, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
                num_key_value_heads=2, vocab_size=6, max_position_embeddings=8, rms_norm_eps=1e-5,
                tie_word_embeddings=True)
    configs = {
        "plain": base,
        "llama3": dict(base, rope_theta=5e5, rope_scaling=dict(
            rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=4)),
        "yarn": dict(base, rope_parameters=dict(rope_type="yarn", factor=4.0, rope_theta=1e4,
                                                attention_factor=1.1, beta_fast=32, beta_slow=1)),
        "longrope": dict(base, original_max_position_embeddings=4, rope_scaling=dict(
            type="longrope", short_factor=[1.0], long_factor=[2.0])),
        "gemma3": dict(base, head_dim=2, sliding_window=4, layer_types=["sliding_attention"],
                       query_pre_attn_scalar=2, rope_parameters=dict(
                           full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6),
                           sliding_attention=dict(rope_type="default", rope_theta=1e4))),
        "experts": dict(base, num_experts=2, num_experts_per_tok=1, moe_intermediate_size=8),
        "gpt2": dict(n_layer=1, n_embd=4, n_head=2, vocab_size=6, n_positions=8,
                     layer_norm_epsilon=1e-5),
        "tokenizer": dict(bos_token="<s>", eos_token=dict(content="a"), add_bos_token=True,
                          chat_template="x", eos_token_id=[1, 2]),
        "huge": dict(base, hidden_size=2**31 - 1, num_hidden_layers=2**31 - 1, n_embd=2**31 - 1),
        "negative": dict(base, hidden_size=-4), "zero": dict(base, num_attention_heads=0),
    }
    return {name: json.dumps(config).encode() for name, config in configs.items()}


def main():
    out = pathlib.Path(sys.argv[1])
    for target, seeds in dict(gguf=gguf_seeds(), safetensors=safetensors_seeds(),
                              llama2c=llama2c_seeds(), tokenizer_json=tokenizer_json_seeds(),
                              hf_config=hf_config_seeds()).items():
        folder = out / f"{target}_fuzz"
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds.items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
