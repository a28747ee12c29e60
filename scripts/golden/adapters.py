#!/usr/bin/env python3
"""Makes tests/golden/adapter: adapters that PEFT saves, and what PEFT computes with them.

    python3 scripts/golden/adapters.py MODELS OUT

MODELS is tests/golden/model. Each case becomes a folder: adapter_config.json and
adapter_model.safetensors, as PEFT saves them, and logits.bin with the logits of every position of
the model's own prompt (expected.json), little-endian float32.

Needs torch, transformers and peft. Development only: the tests read the result.
"""

import json
import pathlib
import sys

import peft
import torch
import transformers

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
CASES = {
    # A rank and an alpha of its own for one module.
    "llama-gqa-tied": dict(r=4, lora_alpha=6, target_modules=ATTENTION + ["gate_proj", "down_proj"],
                           rank_pattern={"v_proj": 2}, alpha_pattern={"v_proj": 3}),
    "llama-mqa-bias": dict(r=2, lora_alpha=4, target_modules=ATTENTION + ["up_proj"],
                           use_dora=True),
    "qwen2-untied": dict(r=4, lora_alpha=2, use_rslora=True,
                         target_modules=ATTENTION + ["lm_head"]),
    "phi3-window": dict(r=2, lora_alpha=2, target_modules=["qkv_proj", "gate_up_proj"],
                        use_dora=True),
    "gpt2": dict(r=3, lora_alpha=3, target_modules=["c_attn", "c_fc", "c_proj"],
                 fan_in_fan_out=True),
}


def make(name, options, models, out):
    torch.manual_seed(7)
    model = transformers.AutoModelForCausalLM.from_pretrained(models / name, dtype=torch.float32)
    config = peft.LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **options)
    adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for key, value in adapted.named_parameters():
            if "lora_magnitude" in key:
                value.mul_(1.0 + 0.3 * torch.rand_like(value))
    adapted.eval()
    adapted.peft_config["default"].base_model_name_or_path = "minim/" + name
    adapted.save_pretrained(out / name)
    (out / name / "README.md").unlink(missing_ok=True)
    prompt = json.loads((models / name / "expected.json").read_text())["prompt"]
    with torch.no_grad():
        logits = adapted(input_ids=torch.tensor([prompt])).logits[0]
    (out / name / "logits.bin").write_bytes(logits.to(torch.float32).numpy().tobytes())


def main():
    models, out = map(pathlib.Path, sys.argv[1:])
    torch.set_num_threads(1)
    for name, options in CASES.items():
        make(name, options, models, out)


if __name__ == "__main__":
    main()
