#!/usr/bin/env python3
"""Makes tests/golden/formats/hf: tiny Hugging Face models and what llama.cpp's converter makes of
them.

    python3 scripts/golden/hf_imports.py LLAMA_CPP OUT [CASE...]

Each case becomes a folder: config.json in the style of transformers 4, which the converter reads,
config5.json as transformers 5 writes it, the tokenizer's files, the weights, and expected.gguf.
The vocabularies are trained on this file, so their pre-tokenizers are not among those that the
converter knows by their hash; it is told their names.

Needs torch, transformers, tokenizers, sentencepiece and a checkout of llama.cpp of February 2025.
Development only: the tests read the result.
"""

import argparse
import importlib.util
import json
import pathlib
import re
import sys

import sentencepiece
import tokenizers
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import decoders, normalizers, pre_tokenizers, processors

SIZES = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
             intermediate_size=32, max_position_embeddings=128, rms_norm_eps=1e-5)
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CHAT_TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
TEXT = pathlib.Path(__file__).read_text()


def train_byte_bpe(folder, pattern, specials, ignore_merges=False, nfc=False, bos=None):
    """A byte-level BPE of 256 bytes, 16 merges and the special tokens."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(ignore_merges=ignore_merges))
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    if pattern:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=272, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.add_special_tokens([tokenizers.AddedToken(t, normalized=False) for t in specials])
    tokenizer.add_tokens([tokenizers.AddedToken("<think>", normalized=False)])
    if bos:
        tokenizer.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1",
                                          special_tokens=[(bos, tokenizer.token_to_id(bos))])])
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer.get_vocab_size()


def train_sentencepiece(folder):
    source = folder / "corpus.txt"
    source.write_text(TEXT)
    sentencepiece.SentencePieceTrainer.train(
        input=str(source), model_prefix=str(folder / "tokenizer"), model_type="bpe", vocab_size=340,
        byte_fallback=True, character_coverage=0.99, normalization_rule_name="identity",
        user_defined_symbols=["<custom>"], minloglevel=2)
    source.unlink()
    (folder / "tokenizer.vocab").unlink()
    decoder = {str(i): dict(content=c, special=True, lstrip=False, rstrip=False, normalized=False,
                            single_word=False) for i, c in enumerate(["<unk>", "<s>", "</s>"])}
    decoder["340"] = dict(decoder["1"], content="<|end|>")
    decoder["341"] = dict(decoder["1"], content="<extra word>", special=False)
    write_json(folder / "tokenizer_config.json",
               dict(tokenizer_class="LlamaTokenizer", add_bos_token=True, add_eos_token=False,
                    bos_token="<s>", eos_token="</s>", unk_token="<unk>",
                    added_tokens_decoder=decoder, chat_template=CHAT_TEMPLATE))
    return 342


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def old_style(config, scaling):
    """A configuration as transformers 4 wrote it: rope_theta and rope_scaling."""
    old = {key: value for key, value in config.items() if key != "rope_parameters"}
    if "rope_parameters" in config:
        old["rope_theta"] = config["rope_parameters"]["rope_theta"]
        old["rope_scaling"] = scaling
    return old


def llama_spm(folder):
    vocabulary = train_sentencepiece(folder)
    scaling = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=8192)
    config = transformers.LlamaConfig(
        vocab_size=vocabulary, rope_parameters=dict(rope_theta=500000.0, **scaling), **SIZES)
    return transformers.LlamaForCausalLM, config, scaling, "f16", None


def llama_bpe(folder):
    vocabulary = train_byte_bpe(folder, LLAMA3, ["<|begin_of_text|>", "<|end_of_text|>"],
                                ignore_merges=True, bos="<|begin_of_text|>")
    write_json(folder / "tokenizer_config.json",
               dict(tokenizer_class="PreTrainedTokenizerFast", bos_token="<|begin_of_text|>",
                    eos_token="<|end_of_text|>", chat_template=CHAT_TEMPLATE))
    config = transformers.LlamaConfig(
        vocab_size=vocabulary + 4, head_dim=12, tie_word_embeddings=True,
        rope_parameters=dict(rope_theta=10000.0, rope_type="linear", factor=4.0), **SIZES)
    return (transformers.LlamaForCausalLM, config,
            dict(type="linear", rope_type="linear", factor=4.0), "bf16", "llama-bpe")


def qwen2(folder):
    vocabulary = train_byte_bpe(folder, LLAMA3.replace("{1,3}", ""),
                                ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], nfc=True)
    write_json(folder / "tokenizer_config.json",
               dict(tokenizer_class="Qwen2Tokenizer", add_bos_token=False, bos_token=None,
                    eos_token="<|im_end|>", pad_token="<|endoftext|>"))
    write_json(folder / "generation_config.json",
               dict(eos_token_id=[vocabulary - 2, vocabulary - 4]))
    scaling = dict(type="yarn", rope_type="yarn", factor=4.0, original_max_position_embeddings=32)
    parameters = dict(scaling, rope_theta=1000000.0)
    config = transformers.Qwen2Config(vocab_size=vocabulary, rope_parameters=parameters, **SIZES)
    return transformers.Qwen2ForCausalLM, config, scaling, "f32", "qwen2"


def phi3(folder):
    vocabulary = train_byte_bpe(folder, None, ["<|endoftext|>"])
    write_json(folder / "tokenizer_config.json",
               dict(tokenizer_class="GPT2Tokenizer", bos_token="<|endoftext|>",
                    eos_token="<|endoftext|>", unk_token="<|endoftext|>"))
    factors = dict(short_factor=[1.0, 1.05, 1.2, 1.4], long_factor=[1.1, 1.9, 3.0, 3.8])
    parameters = dict(rope_theta=10000.0, rope_type="longrope", type="longrope",
                      original_max_position_embeddings=32, **factors)
    config = transformers.Phi3Config(vocab_size=vocabulary, rope_parameters=parameters,
                                     original_max_position_embeddings=32, sliding_window=64,
                                     pad_token_id=0, **SIZES)
    return (transformers.Phi3ForCausalLM, config, dict(type="longrope", **factors), "bf16",
            "gpt-2")


def gpt2(folder):
    vocabulary = train_byte_bpe(folder, None, ["<|endoftext|>"])
    write_json(folder / "tokenizer_config.json",
               dict(tokenizer_class="GPT2Tokenizer", bos_token="<|endoftext|>",
                    eos_token="<|endoftext|>", unk_token="<|endoftext|>"))
    config = transformers.GPT2Config(vocab_size=vocabulary, n_embd=16, n_layer=2, n_head=2,
                                     n_positions=32)
    config.n_ctx = 32
    return transformers.GPT2LMHeadModel, config, None, "f16", "gpt-2"


CASES = {"llama-spm": llama_spm, "llama-bpe": llama_bpe, "qwen2": qwen2, "phi3": phi3,
         "gpt2": gpt2}
TYPES = dict(f32=torch.float32, f16=torch.float16, bf16=torch.bfloat16)


def save_weights(model, folder, sharded):
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if getattr(model.config, "tie_word_embeddings", False):
        state.pop("lm_head.weight")
    if not sharded:
        save_file(state, folder / "model.safetensors", metadata=dict(format="pt"))
        return
    weight_map = {}
    for name in state:
        match = re.search(r"layers\.(\d+)", name)
        part = 1 + (int(match.group(1)) if match else 0)
        weight_map[name] = f"model-{part:05}-of-00002.safetensors"
    for part in sorted(set(weight_map.values())):
        save_file({n: state[n] for n in state if weight_map[n] == part}, folder / part,
                  metadata=dict(format="pt"))
    write_json(folder / "model.safetensors.index.json",
               dict(metadata=dict(total_size=sum(t.nbytes for t in state.values())),
                    weight_map=weight_map))


def load_converter(llama_cpp):
    sys.path.insert(0, str(llama_cpp / "gguf-py"))
    spec = importlib.util.spec_from_file_location("converter", llama_cpp / "convert_hf_to_gguf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def convert(converter, folder, out_type, pre_tokenizer):
    kinds = converter.gguf.LlamaFileType
    kind = dict(f32=kinds.ALL_F32, f16=kinds.MOSTLY_F16, bf16=kinds.MOSTLY_BF16)[out_type]
    converter.Model.get_vocab_base_pre = lambda self, tokenizer: pre_tokenizer
    hparams = converter.Model.load_hparams(folder)
    model_class = converter.Model.from_model_architecture(hparams["architectures"][0])
    with torch.inference_mode():
        model_class(folder, kind, folder / "expected.gguf", eager=True).write()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("llama_cpp", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    arguments = parser.parse_args()
    converter = load_converter(arguments.llama_cpp)
    for case in arguments.cases:
        folder = arguments.out / case
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(sum(case.encode()))
        model_class, config, scaling, out_type, pre_tokenizer = CASES[case](folder)
        model = model_class(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape))
        model = model.to(TYPES[out_type])
        save_weights(model, folder, sharded=case == "qwen2")
        config.architectures = [model_class.__name__]
        new = json.loads(config.to_json_string(use_diff=False))
        write_json(folder / "config5.json", new)
        write_json(folder / "config.json", old_style(new, scaling))
        convert(converter, folder, out_type, pre_tokenizer)


if __name__ == "__main__":
    main()
