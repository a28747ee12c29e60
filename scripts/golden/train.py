#!/usr/bin/env python3
"""Makes tests/golden/train: ten steps of training tiny models in PyTorch.

    python3 scripts/golden/train.py OUT

Each case becomes a folder: expected.json with the config, the names and shapes of the tensors, the
tokens of each step, the losses of ten steps of AdamW with clipping, and the norm of the gradients
of each; weights.bin with the initial weights and gradients.bin with the gradients of the first
step, little-endian float32, tensor after tensor. The graphs are written out here in plain PyTorch
and computed in float64.

Needs torch and numpy. Development only: the tests read the result.
"""

import json
import math
import pathlib
import sys

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

STEPS = 10
TOKENS = 12
ROWS = 2
LAYERS = 2
DIM = 16
HEAD_DIM = 8
FFN = 24
VOCABULARY = 40
EPSILON = 1e-5
RATE, BETA1, BETA2, ADAM_EPSILON, DECAY, CLIP, Z_LOSS = 3e-3, 0.9, 0.95, 1e-8, 0.1, 1.0, 1e-3

CASES = {
    "llama": dict(heads=2, kv_heads=1, tied=False),
    "qwen3": dict(heads=4, kv_heads=2, tied=True),
    "gpt2": dict(heads=2, kv_heads=2, tied=True),
}


def tensor_shapes(name, case):
    """Names as in model files, in the order in which the architecture lists them."""
    query, kv = case["heads"] * HEAD_DIM, case["kv_heads"] * HEAD_DIM
    shapes = {"token_embd.weight": (VOCABULARY, DIM)}
    if not case["tied"]:
        shapes["output.weight"] = (VOCABULARY, DIM)
    if name == "gpt2":
        shapes["position_embd.weight"] = (TOKENS, DIM)
    for layer in range(LAYERS):
        b = f"blk.{layer}."
        if name == "gpt2":
            shapes |= {b + "attn_norm.weight": (DIM,), b + "attn_norm.bias": (DIM,),
                       b + "attn_qkv.weight": (query + 2 * kv, DIM),
                       b + "attn_qkv.bias": (query + 2 * kv,),
                       b + "attn_output.weight": (DIM, query), b + "attn_output.bias": (DIM,),
                       b + "ffn_norm.weight": (DIM,), b + "ffn_norm.bias": (DIM,),
                       b + "ffn_up.weight": (FFN, DIM), b + "ffn_up.bias": (FFN,),
                       b + "ffn_down.weight": (DIM, FFN), b + "ffn_down.bias": (DIM,)}
            continue
        shapes |= {b + "attn_norm.weight": (DIM,), b + "attn_q.weight": (query, DIM),
                   b + "attn_k.weight": (kv, DIM), b + "attn_v.weight": (kv, DIM)}
        if name == "qwen3":
            shapes |= {b + "attn_q_norm.weight": (HEAD_DIM,), b + "attn_k_norm.weight": (HEAD_DIM,)}
        shapes |= {b + "attn_output.weight": (DIM, query), b + "ffn_norm.weight": (DIM,),
                   b + "ffn_gate.weight": (FFN, DIM), b + "ffn_up.weight": (FFN, DIM),
                   b + "ffn_down.weight": (DIM, FFN)}
    shapes["output_norm.weight"] = (DIM,)
    if name == "gpt2":
        shapes["output_norm.bias"] = (DIM,)
    return shapes


def layer_norm(x, w, stem):
    return torch.nn.functional.layer_norm(x, (DIM,), w[stem + ".weight"], w[stem + ".bias"],
                                          EPSILON)


def rms_norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON) * weight


def rotate(x, positions, adjacent):
    """x: [tokens, heads, head_dim]"""
    frequencies = 10000.0 ** (-torch.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    angles = (positions[:, None] * frequencies)[:, None, :]
    if adjacent:
        a, b = x[..., 0::2], x[..., 1::2]
    else:
        a, b = x[..., :HEAD_DIM // 2], x[..., HEAD_DIM // 2:]
    first, second = a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()
    if adjacent:
        return torch.stack([first, second], -1).flatten(-2)
    return torch.cat([first, second], -1)


def attend(q, k, v):
    """[tokens, heads, head_dim] each; causal."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = torch.einsum("qhd,khd->hqk", q, k) / math.sqrt(HEAD_DIM)
    mask = torch.full(scores.shape[1:], -math.inf).triu(1)
    return torch.einsum("hqk,khd->qhd", (scores + mask).softmax(-1), v).flatten(1)


def layer(name, case, w, b, x, positions):
    heads, kv_heads = case["heads"], case["kv_heads"]
    if name == "gpt2":
        normed = layer_norm(x, w, b + "attn_norm")
        qkv = normed @ w[b + "attn_qkv.weight"].T + w[b + "attn_qkv.bias"]
        q, k, v = qkv.split([heads * HEAD_DIM, kv_heads * HEAD_DIM, kv_heads * HEAD_DIM], -1)
    else:
        normed = rms_norm(x, w[b + "attn_norm.weight"])
        q, k, v = (normed @ w[f"{b}attn_{part}.weight"].T for part in "qkv")
    q = q.unflatten(-1, (heads, HEAD_DIM))
    k, v = (part.unflatten(-1, (kv_heads, HEAD_DIM)) for part in (k, v))
    if name == "qwen3":
        q, k = rms_norm(q, w[b + "attn_q_norm.weight"]), rms_norm(k, w[b + "attn_k_norm.weight"])
    if name != "gpt2":
        q, k = (rotate(part, positions, name == "llama") for part in (q, k))
    out = attend(q, k, v) @ w[b + "attn_output.weight"].T
    if name == "gpt2":
        x = x + out + w[b + "attn_output.bias"]
        normed = layer_norm(x, w, b + "ffn_norm")
        up = normed @ w[b + "ffn_up.weight"].T + w[b + "ffn_up.bias"]
        hidden = torch.nn.functional.gelu(up, approximate="tanh")
        return x + hidden @ w[b + "ffn_down.weight"].T + w[b + "ffn_down.bias"]
    x = x + out
    normed = rms_norm(x, w[b + "ffn_norm.weight"])
    gate = torch.nn.functional.silu(normed @ w[b + "ffn_gate.weight"].T)
    return x + (gate * (normed @ w[b + "ffn_up.weight"].T)) @ w[b + "ffn_down.weight"].T


def loss_of(name, case, w, tokens, targets):
    positions = torch.arange(TOKENS)
    total = 0
    for row in range(ROWS):
        x = w["token_embd.weight"][tokens[row]]
        if name == "gpt2":
            x = x + w["position_embd.weight"]
        for i in range(LAYERS):
            x = layer(name, case, w, f"blk.{i}.", x, positions)
        if name == "gpt2":
            x = layer_norm(x, w, "output_norm")
        else:
            x = rms_norm(x, w["output_norm.weight"])
        logits = x @ w["token_embd.weight" if case["tied"] else "output.weight"].T
        total = total + torch.nn.functional.cross_entropy(logits, targets[row], reduction="sum")
        total = total + Z_LOSS * logits.logsumexp(-1).pow(2).sum()
    return total / (ROWS * TOKENS)


def initial_weights(shapes, generator):
    weights = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator, dtype=torch.float32) * 0.2
        if "norm.weight" in name:
            values = values + 1.0
        weights[name] = values.double().requires_grad_()
    return weights


def write(path, tensors):
    path.write_bytes(b"".join(np.ascontiguousarray(t, dtype="<f4").tobytes() for t in tensors))


def run(name, case, folder):
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(1234)
    shapes = tensor_shapes(name, case)
    w = initial_weights(shapes, generator)
    write(folder / "weights.bin", [t.detach().numpy() for t in w.values()])
    decaying = [t for n, t in w.items() if t.dim() == 2 and "embd" not in n]
    others = [t for n, t in w.items() if not (t.dim() == 2 and "embd" not in n)]
    optimizer = torch.optim.AdamW([dict(params=decaying, weight_decay=DECAY),
                                   dict(params=others, weight_decay=0.0)],
                                  lr=RATE, betas=(BETA1, BETA2), eps=ADAM_EPSILON)
    expected = dict(name=name, layers=LAYERS, dim=DIM, head_dim=HEAD_DIM, ffn=FFN, tokens=TOKENS,
                    rows=ROWS, vocabulary=VOCABULARY, epsilon=EPSILON, rate=RATE, beta1=BETA1,
                    beta2=BETA2, adam_epsilon=ADAM_EPSILON, decay=DECAY, clip=CLIP, z_loss=Z_LOSS,
                    **case, tensors=[dict(name=n, shape=list(s)) for n, s in shapes.items()],
                    inputs=[], targets=[], losses=[], norms=[])
    for step in range(STEPS):
        text = torch.randint(0, VOCABULARY, (ROWS, TOKENS + 1), generator=generator)
        tokens, targets = text[:, :-1], text[:, 1:]
        loss = loss_of(name, case, w, tokens, targets)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            write(folder / "gradients.bin", [t.grad.numpy() for t in w.values()])
        norm = torch.nn.utils.clip_grad_norm_(list(w.values()), CLIP)
        optimizer.step()
        expected["inputs"].append(tokens.flatten().tolist())
        expected["targets"].append(targets.flatten().tolist())
        expected["losses"].append(loss.item())
        expected["norms"].append(norm.item())
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


def main():
    for name, case in CASES.items():
        run(name, case, pathlib.Path(sys.argv[1]) / name)


if __name__ == "__main__":
    main()
