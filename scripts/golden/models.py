#!/usr/bin/env python3
"""Makes tests/golden/model: tiny seeded models and what transformers computes with them.

    python3 scripts/golden/models.py OUT [--gguf-f32 FOLDER] [CASE...]

Each case becomes a folder: config.json and model.safetensors (bfloat16), as transformers saves
them; expected.json with the prompt and the greedy continuation; logits.bin with the logits of every
position of the prompt, little-endian float32. Some cases also get model.gguf, written by the gguf
package with the names and the layout that llama.cpp uses. The weights are rounded to bfloat16 first
and then computed with in float32. --gguf-f32 writes every model as GGUF with float32 matrices, for
comparing with other programs.

Needs torch, transformers, tokenizers, safetensors, numpy and gguf. Development only: the tests read
the result.
"""

import argparse
import functools
import json
import math
import pathlib

import gguf
import numpy as np
import tokenizers
import torch
import transformers

torch.set_num_threads(1)

PROMPT_LENGTH = 24
GREEDY_LENGTH = 20
VOCABULARY = 96

COMMON = dict(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, intermediate_size=64, max_position_embeddings=64,
              bos_token_id=None, eos_token_id=None, pad_token_id=None)


def rope(**parameters):
    return dict(rope_parameters=dict(rope_theta=10000.0) | parameters)


def llama(**options):
    return transformers.LlamaForCausalLM, transformers.LlamaConfig(**(COMMON | options))


def mistral(**options):
    return transformers.MistralForCausalLM, transformers.MistralConfig(**(COMMON | options))


def qwen2(**options):
    return transformers.Qwen2ForCausalLM, transformers.Qwen2Config(**(COMMON | options))


def qwen3(**options):
    return transformers.Qwen3ForCausalLM, transformers.Qwen3Config(**(COMMON | options))


def qwen3moe(**options):
    return transformers.Qwen3MoeForCausalLM, transformers.Qwen3MoeConfig(**(COMMON | options))


def gemma3(**options):
    return transformers.Gemma3ForCausalLM, transformers.Gemma3TextConfig(**(COMMON | options))


def phi3(**options):
    return transformers.Phi3ForCausalLM, transformers.Phi3Config(**(COMMON | options))


def gpt2(**options):
    return transformers.GPT2LMHeadModel, transformers.GPT2Config(**options)


PHI3_FACTORS = dict(short_factor=[1.0, 1.05, 1.2, 1.4], long_factor=[1.1, 1.9, 3.0, 3.8])

CASES = {
    "llama-gqa-tied": lambda: llama(tie_word_embeddings=True),
    "llama-mqa-bias": lambda: llama(num_key_value_heads=1, head_dim=12, attention_bias=True),
    "llama-linear": lambda: llama(**rope(rope_type="linear", factor=4.0)),
    # transformers has no static NTK scaling; by definition it is another base.
    "llama-ntk": lambda: llama(**rope(rope_theta=10000.0 * 4.0 ** (8 / 6))),
    "llama-yarn": lambda: llama(**rope(rope_type="yarn", factor=4.0, beta_fast=2.0,
                                       original_max_position_embeddings=16)),
    "llama-llama3": lambda: llama(**rope(rope_type="llama3", rope_theta=500.0, factor=8.0,
                                         low_freq_factor=1.0, high_freq_factor=4.0,
                                         original_max_position_embeddings=32)),
    "mistral-window": lambda: mistral(sliding_window=7),
    "qwen2-untied": lambda: qwen2(tie_word_embeddings=False),
    "qwen2-yarn-tied": lambda: qwen2(tie_word_embeddings=True,
                                     **rope(rope_type="yarn", factor=2.0,
                                            original_max_position_embeddings=32)),
    "qwen3-wide-heads": lambda: qwen3(head_dim=20, tie_word_embeddings=True),
    "gemma3-window": lambda: gemma3(
        num_hidden_layers=4, head_dim=10, query_pre_attn_scalar=24, sliding_window=6,
        layer_types=["sliding_attention", "full_attention"] * 2,
        rope_parameters=dict(
            sliding_attention=dict(rope_type="default", rope_theta=100.0),
            full_attention=dict(rope_type="linear", rope_theta=10000.0, factor=8.0))),
    "gemma3-soft-caps": lambda: gemma3(
        num_hidden_layers=6, num_key_value_heads=1, head_dim=8, query_pre_attn_scalar=8,
        sliding_window=8, attn_logit_softcapping=3.0, final_logit_softcapping=4.0),
    "phi3-window": lambda: phi3(sliding_window=9),
    "phi3-short": lambda: phi3(original_max_position_embeddings=48, **rope(
        rope_type="longrope", original_max_position_embeddings=48, **PHI3_FACTORS)),
    "phi3-long-partial": lambda: phi3(
        num_key_value_heads=1, hidden_size=64, original_max_position_embeddings=16,
        tie_word_embeddings=True,
        **rope(rope_type="longrope", original_max_position_embeddings=16,
               partial_rotary_factor=0.5, **PHI3_FACTORS)),
    "gpt2": lambda: gpt2(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=64,
                         bos_token_id=None, eos_token_id=None),
    "qwen3moe-normed": lambda: qwen3moe(
        head_dim=8, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=16,
        norm_topk_prob=True, tie_word_embeddings=False),
    "qwen3moe-raw": lambda: qwen3moe(
        head_dim=8, num_experts=5, num_experts_per_tok=2, moe_intermediate_size=16,
        norm_topk_prob=False, tie_word_embeddings=True),
}

# One for each way in which the names or the layout of the tensors differ.
GGUF_CASES = ("llama-yarn", "qwen3-wide-heads", "gemma3-window", "phi3-long-partial", "gpt2",
              "qwen3moe-normed")


def cap_attention_scores(cap):
    """transformers reads Gemma 3's cap but hands it to its attention in Gemma 2 only."""
    module = transformers.models.gemma3.modeling_gemma3
    plain = EAGER_ATTENTION
    module.eager_attention_forward = functools.partial(plain, softcap=cap) if cap else plain


EAGER_ATTENTION = transformers.models.gemma3.modeling_gemma3.eager_attention_forward


def make_model(case):
    model_class, config = CASES[case]()
    cap_attention_scores(getattr(config, "attn_logit_softcapping", None))
    config._attn_implementation = "eager"
    model = model_class(config).float().eval()
    generator = torch.Generator().manual_seed(sum(case.encode()))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name or ".ln_" in name:
                center = 0.0 if "gemma3" in case or name.endswith("bias") else 1.0
                values = center + 0.3 * noise
            elif parameter.dim() == 1:
                values = 0.3 * noise
            elif "embed" in name or "wte" in name or "wpe" in name:
                values = (0.1 if "gemma3" in case else 0.2) * noise
            else:
                values = 2.0 * noise / math.sqrt(parameter.shape[-1])
            parameter.copy_(values.bfloat16().float())
    return model, config


def continue_greedily(model, prompt):
    """The continuation, or None where two tokens are so close that rounding could decide."""
    tokens = list(prompt)
    for _ in range(GREEDY_LENGTH):
        last = model(torch.tensor([tokens]), use_cache=False).logits[0, -1]
        best = torch.topk(last, 2).values
        if best[0] - best[1] < 0.002:
            return None
        tokens.append(int(last.argmax()))
    return tokens[len(prompt):]


def compute(model, case):
    generator = torch.Generator().manual_seed(sum(case.encode()) + 1)
    with torch.no_grad():
        for _ in range(40):
            prompt = torch.randint(0, VOCABULARY, (PROMPT_LENGTH,), generator=generator).tolist()
            greedy = continue_greedily(model, prompt)
            if greedy and len(set(greedy)) >= 5:
                break
        assert greedy, f"{case}: no prompt gives a clear continuation"
        logits = model(torch.tensor([prompt]), use_cache=False).logits[0].numpy()
    return prompt, greedy, logits


# GGUF, as llama.cpp names and lays out things.

ARCHITECTURES = dict(llama="llama", mistral="llama", qwen2="qwen2", qwen3="qwen3",
                     qwen3_moe="qwen3moe", gemma3_text="gemma3", phi3="phi3", gpt2="gpt2")


def permute(weight, heads):
    """Rotary halves to adjacent pairs."""
    rows = weight.shape[0] // heads // 2
    shape = weight.shape[1:]
    return weight.reshape(heads, 2, rows, *shape).swapaxes(1, 2).reshape(weight.shape)


def gguf_tensors(model, config, architecture):
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, architecture.upper()),
                                     config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        value = tensor.float().numpy()
        if architecture == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight",
                                                     ".c_fc.weight")):
            value = value.T
        if architecture == "gemma3" and name.endswith("norm.weight"):
            value = value + 1.0
        if architecture == "llama" and (".q_proj." in name or ".k_proj." in name):
            heads = config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads
            value = permute(value, heads)
        if name.endswith("experts.gate_up_proj"):
            stem = name[:-len("gate_up_proj")]
            half = value.shape[1] // 2
            yield names.get_name(stem + "gate_proj") + ".weight", value[:, :half]
            yield names.get_name(stem + "up_proj") + ".weight", value[:, half:]
            continue
        if name.endswith("experts.down_proj"):
            yield names.get_name(name) + ".weight", value
            continue
        new_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert new_name, name
        yield new_name, value


def llama3_factors(parameters, head_dim):
    context = parameters["original_max_position_embeddings"]
    low, high = parameters["low_freq_factor"], parameters["high_freq_factor"]
    for i in range(0, head_dim, 2):
        turns = context / (2 * math.pi * parameters["rope_theta"] ** (i / head_dim))
        kept = min(max((turns - low) / (high - low), 0.0), 1.0)
        yield 1.0 / ((1.0 - kept) / parameters["factor"] + kept)


def write_rope(writer, config, case, head_dim):
    parameters = config.rope_parameters
    if "full_attention" in parameters:
        writer.add_float32(f"{writer.arch}.rope.freq_base_swa",
                           parameters["sliding_attention"]["rope_theta"])
        parameters = parameters["full_attention"]
    kind = parameters.get("rope_type", "default")
    base = parameters["rope_theta"]
    if case == "llama-ntk":
        kind, base, parameters = "ntk", 10000.0, dict(factor=4.0)
    writer.add_rope_freq_base(base)
    writer.add_rope_dimension_count(int(head_dim * parameters.get("partial_rotary_factor", 1.0)))
    if kind in ("linear", "yarn", "ntk"):
        writer.add_string(f"{writer.arch}.rope.scaling.type", kind)
        writer.add_rope_scaling_factor(parameters["factor"])
    if kind in ("yarn", "longrope"):
        writer.add_rope_scaling_orig_ctx_len(parameters["original_max_position_embeddings"])
    if kind == "yarn":
        writer.add_rope_scaling_yarn_beta_fast(parameters.get("beta_fast", 32.0))
    if kind == "llama3":
        factors = np.array(list(llama3_factors(parameters, head_dim)), dtype=np.float32)
        writer.add_tensor("rope_freqs.weight", factors)
    if kind == "longrope":
        original = parameters["original_max_position_embeddings"]
        stretch = config.max_position_embeddings / original
        writer.add_rope_scaling_attn_factors(
            math.sqrt(1 + math.log(stretch) / math.log(original)) if stretch > 1 else 1.0)
        for length in ("long", "short"):
            writer.add_tensor(f"rope_factors_{length}.weight",
                              np.array(parameters[f"{length}_factor"], dtype=np.float32))


def write_gguf(model, config, case, path, matrix_type):
    architecture = ARCHITECTURES[config.model_type]
    writer = gguf.GGUFWriter(path, architecture)
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", 4 * config.hidden_size))
    writer.add_head_count(heads)
    writer.add_head_count_kv(getattr(config, "num_key_value_heads", heads))
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_vocab_size(config.vocab_size)
    writer.add_string("tokenizer.ggml.model", "no_vocab")
    if architecture == "gpt2":
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        write_rope(writer, config, case, head_dim)
    if architecture in ("llama", "gemma3", "phi3") and getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
    if architecture == "gemma3":
        writer.add_float32("gemma3.attention.scale", config.query_pre_attn_scalar ** -0.5)
        pattern = [kind == "sliding_attention" for kind in config.layer_types]
        writer.add_array("gemma3.attention.sliding_window_pattern", pattern)
        if config.attn_logit_softcapping:
            writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
            writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if architecture == "qwen3moe":
        writer.add_expert_count(config.num_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
        writer.add_expert_weights_norm(config.norm_topk_prob)
    for name, value in gguf_tensors(model, config, architecture):
        value = np.ascontiguousarray(value)
        kind = matrix_type if value.ndim > 1 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_tokenizer(path):
    """A token for each printable character: what imports ask for, though no test has text."""
    characters = [chr(code) for code in range(0x21, 0x7F)] + ["\u0120", "\u010a"]
    assert len(characters) == VOCABULARY
    model = tokenizers.models.BPE({character: i for i, character in enumerate(characters)}, [])
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.save(str(path), pretty=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--gguf-f32", type=pathlib.Path)
    arguments = parser.parse_intermixed_args()
    for case in arguments.cases:
        model, config = make_model(case)
        prompt, greedy, logits = compute(model, case)
        folder = arguments.out / case
        folder.mkdir(parents=True, exist_ok=True)
        if arguments.gguf_f32:
            arguments.gguf_f32.mkdir(parents=True, exist_ok=True)
            write_gguf(model, config, case, arguments.gguf_f32 / f"{case}.gguf",
                       gguf.GGMLQuantizationType.F32)
        if case in GGUF_CASES:
            write_gguf(model, config, case, folder / "model.gguf", gguf.GGMLQuantizationType.BF16)
        expected = dict(prompt=prompt, greedy=greedy, vocabulary_size=VOCABULARY)
        (folder / "expected.json").write_text(json.dumps(expected) + "\n")
        write_tokenizer(folder / "tokenizer.json")
        (folder / "logits.bin").write_bytes(logits.astype("<f4").tobytes())
        model.bfloat16().save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        print(f"{case}: logits {logits.min():.2f} to {logits.max():.2f}, greedy {greedy[:6]}...")


if __name__ == "__main__":
    main()
