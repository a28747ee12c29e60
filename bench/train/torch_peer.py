"""Steps of training with PyTorch, for ./dev bench train to be compared with: the same model, rows
and optimiser (AdamW). Prints the seconds of each step after the first, one a line.

    python torch_peer.py LAYERS DIM HEADS KV_HEADS FFN VOCABULARY ROWS ROW_TOKENS \
        PRECISION THREADS STEPS
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Norm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight, 1e-6)


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Layer(nn.Module):
    def __init__(self, dim, heads, kv_heads, ffn):
        super().__init__()
        self.heads, self.kv_heads, self.size = heads, kv_heads, dim // heads
        self.norm, self.ffn_norm = Norm(dim), Norm(dim)
        self.query_norm, self.key_norm = Norm(self.size), Norm(self.size)
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, kv_heads * self.size, bias=False)
        self.value = nn.Linear(dim, kv_heads * self.size, bias=False)
        self.output = nn.Linear(dim, dim, bias=False)
        self.gate = nn.Linear(dim, ffn, bias=False)
        self.up = nn.Linear(dim, ffn, bias=False)
        self.down = nn.Linear(ffn, dim, bias=False)

    def forward(self, x, cos, sin):
        rows, tokens, dim = x.shape
        h = self.norm(x)
        split = lambda y, count: y.view(rows, tokens, count, self.size).transpose(1, 2)
        query = rotate(self.query_norm(split(self.query(h), self.heads)), cos, sin)
        key = rotate(self.key_norm(split(self.key(h), self.kv_heads)), cos, sin)
        value = split(self.value(h), self.kv_heads)
        group = self.heads // self.kv_heads
        key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
        mixed = F.scaled_dot_product_attention(query, key.to(query.dtype), value.to(query.dtype),
                                               is_causal=True)
        x = x + self.output(mixed.transpose(1, 2).reshape(rows, tokens, dim))
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Model(nn.Module):
    def __init__(self, layers, dim, heads, kv_heads, ffn, vocabulary, tokens):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        self.layers = nn.ModuleList(Layer(dim, heads, kv_heads, ffn) for _ in range(layers))
        self.norm = Norm(dim)
        size = dim // heads
        rates = 10000 ** (-torch.arange(0, size, 2) / size)
        angles = torch.arange(tokens)[:, None] * rates[None]
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, inputs):
        x = self.embedding(inputs)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin)
        return self.norm(x) @ self.embedding.weight.T


def main():
    layers, dim, heads, kv_heads, ffn, vocabulary, rows, tokens = map(int, sys.argv[1:9])
    precision, threads, steps = sys.argv[9], int(sys.argv[10]), int(sys.argv[11])
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    model = Model(layers, dim, heads, kv_heads, ffn, vocabulary, tokens)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    inputs = torch.randint(vocabulary, (rows, tokens + 1))
    for step in range(steps + 1):
        start = time.perf_counter()
        half = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
        with half:
            logits = model(inputs[:, :-1])
        loss = F.cross_entropy(logits.float().flatten(0, 1), inputs[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step > 0:
            print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
