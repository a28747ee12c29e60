#!/usr/bin/env python3
"""Makes the golden values of the chat template tests with jinja2, set up as transformers does it.

Needs Python with `jinja2` and `transformers`; only for development, the tests do not need it.

    python scripts/golden/chat_template.py snippets     fills in snippets.txt
    python scripts/golden/chat_template.py published    writes published.txt
                                                        (needs the data folder, see MINIM_DATA)
    python scripts/golden/chat_template.py show TEMPLATE CONVERSATION   prints one rendering

snippets.txt holds templates and, after each, a line ">>> ..." with what must come of it:
    >>> "text"             exactly this output, as a JSON string
    >>> !format            a syntax error
    >>> !unsupported       a construct, filter or attribute that is refused
    >>> !limit             endless recursion, a range that is too long
    >>> !invalid "text"    an error while rendering, with this in its message
    >>> !undefined "text"  the same about an undefined value, which may be reported as unsupported
    >>> =...               the same codes, written by hand where minim differs on purpose; kept
Lines that begin with "## " are headings. A template that begins with a quote is a JSON string.

published.txt holds a line for each published template and conversation: the 64-bit FNV-1a hash and
the size of the output, or the words of the error. The templates stay in the data folder.
"""
import datetime
import json
import os
import pathlib
import sys
import tarfile

import jinja2
from transformers.utils import chat_template_utils

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests/golden/chat_template"
DATA = pathlib.Path(os.environ.get("MINIM_DATA", ROOT.parent / "shared/data"))
NOW = 1722001445  # 2024-07-26 13:44:05


def strftime_now(format):
    now = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)
    return now.replace(tzinfo=None).strftime(format)


def render(source, variables):
    template = chat_template_utils._compile_jinja_template(source)
    template.environment.globals["strftime_now"] = strftime_now
    return template.render(**variables)


def outcome(source, variables):
    try:
        return json.dumps(render(source, variables), ensure_ascii=False)
    except jinja2.exceptions.SecurityError:
        return "!unsupported"
    except jinja2.exceptions.UndefinedError as error:
        words = str(error).replace("transformers.utils.chat_template_utils.Template", "")
        return "!undefined " + json.dumps(words, ensure_ascii=False)
    except jinja2.exceptions.TemplateSyntaxError as error:
        message = str(error)
        names = ("unknown tag", "No filter named", "No test named")
        unknown = any(name in message for name in names)
        inner = any(f"unknown tag '{tag}" in message for tag in ("end", "else", "elif"))
        return "!unsupported" if unknown and not inner else "!format"
    except jinja2.exceptions.TemplateError as error:
        if type(error) is jinja2.exceptions.TemplateError:
            return "!invalid " + json.dumps(str(error), ensure_ascii=False)
        if "forget to quote" in str(error):
            return '!invalid ""'
        if "No filter named" in str(error) or "No test named" in str(error):
            return "!unsupported"
        return '!invalid ""'
    except RecursionError:
        return "!limit"
    except OverflowError as error:
        return "!limit" if "Range too big" in str(error) else '!invalid ""'
    except SyntaxError:
        return "!format"
    except Exception:
        return '!invalid ""'


def fill_snippets():
    path = GOLDEN / "snippets.txt"
    variables = json.loads((GOLDEN / "variables.json").read_text())
    out, pending, count = [], [], 0
    for line in path.read_text().split("\n"):
        if line.startswith(">>>") and not line.startswith(">>> ="):
            text = "\n".join(pending)
            source = json.loads(text) if text.startswith('"') else text
            line = ">>> " + outcome(source, variables)
        if line.startswith(">>>"):
            pending = []
            count += 1
        elif not line.startswith("## ") and (line or pending):
            pending.append(line)
        out.append(line)
    path.write_text("\n".join(out))
    print(count, "snippets")


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def published_templates():
    with tarfile.open(DATA / "conformance/chat_templates_llamacpp.tar.xz") as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            if member.isfile():
                yield member.name, archive.extractfile(member).read().decode()


def conversations():
    for case in json.loads((GOLDEN / "conversations.json").read_text()):
        for generation in (False, True):
            variables = dict(case["variables"], add_generation_prompt=generation)
            yield f"{case['name']}{'+' if generation else '-'}", variables


def write_published():
    lines = ["# Made by scripts/golden/chat_template.py: template, conversation (+: with the",
             "# generation prompt), then the hash and size of the output or the error's words."]
    for name, source in published_templates():
        for conversation, variables in conversations():
            result = outcome(source, variables)
            if result.startswith('"'):
                data = json.loads(result).encode()
                result = f"{fnv1a(data)} {len(data)}"
            lines.append(f"{name} {conversation} {result}")
    (GOLDEN / "published.txt").write_text("\n".join(lines) + "\n")
    print(len(lines) - 2, "renderings")


def show(template, conversation):
    source = dict(published_templates())[template]
    print(render(source, dict(conversations())[conversation]), end="")


if __name__ == "__main__":
    commands = {"snippets": fill_snippets, "published": write_published, "show": show}
    commands[sys.argv[1]](*sys.argv[2:])
