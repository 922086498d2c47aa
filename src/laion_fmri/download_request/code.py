"""Calls of the library as Python code and as shell commands."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from laion_fmri.config import ENVIRONMENT, Settings
from laion_fmri.download_request.request import Call

LIST_FILE = "chosen_files.txt"
"""File of keys, one per line, used when there are many."""

_MANY = 40  # most keys that code lists in full
_LINE = 68  # characters of a one-line call
_MODULES = {"download_splits": "laion_fmri.splits"}
_GATED_VERB = "download_stimuli"


def python_code(made: Sequence[Call], settings: Settings) -> str:
    """Return Python code for the calls, independent of the local configuration."""
    if not made:
        return ""
    imports = []
    lines = []
    variables = _variables(made, settings)
    if variables:
        imports.append("import os")
        lines += [f"os.environ[{_quoted(k)}] = {_quoted(v)}" for k, v in variables.items()] + [""]
    if listed_keys(made):
        imports.append("from pathlib import Path")
    modules: dict[str, set[str]] = {}
    for call in made:
        modules.setdefault(_MODULES.get(call.verb, "laion_fmri.download"), set()).add(call.verb)
    lines += [f"from {m} import {', '.join(sorted(verbs))}" for m, verbs in modules.items()]
    head = [*imports, ""] if imports else []
    return "\n".join([*head, *lines, "", *(_python_call(call) for call in made)])


def listed_keys(made: Sequence[Call]) -> list[str]:
    """Return the keys that the code reads from `LIST_FILE`, to stay short."""
    return [key for call in made if _reads_list(call) for key in call.arguments["keys"]]  # type: ignore[attr-defined]


def _reads_list(call: Call) -> bool:
    keys = call.arguments.get("keys")
    # Some keys cannot be written on one line of a file.
    return isinstance(keys, list) and len(keys) > _MANY and all(_is_a_line(key) for key in keys)


def _is_a_line(key: str) -> bool:
    return key == key.strip() and len(key.splitlines()) == 1


def _python_call(call: Call) -> str:
    arguments = [
        _python_argument(name, value, by_position=name in ("subject", "keys"))
        for name, value in call.arguments.items()
        if not (name == "keys" and _reads_list(call))
    ]
    if _reads_list(call):
        arguments.insert(0, f'Path("{LIST_FILE}").read_text(encoding="utf-8").splitlines()')
    line = f"{call.verb}({', '.join(arguments)})"
    if len(line) <= _LINE:
        return line
    return "\n".join([f"{call.verb}(", *(f"    {argument}," for argument in arguments), ")"])


def _python_argument(name: str, value: object, by_position: bool) -> str:
    text = _python_value(value)
    if isinstance(value, list) and len(text) > _LINE:
        text = "\n".join(["[", *(f"        {_quoted(v)}," for v in value), "    ]"])
    return text if by_position else f"{name}={text}"


def _python_value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_quoted(v) for v in value)}]"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return f'"{text}"' if text.isprintable() and not set(text) & set('"\\') else repr(text)


def shell_code(made: Sequence[Call], settings: Settings) -> str:
    """Return shell commands for the calls."""
    if not made:
        return ""
    exports = [f"export {k}={shlex.quote(v)}" for k, v in _variables(made, settings).items()]
    return "\n".join(exports + [_shell_call(call) for call in made])


def _shell_call(call: Call) -> str:
    parts = [f"laion-fmri {call.verb.replace('_', '-')}"]
    for name, value in _shell_arguments(call).items():
        if name == "keys":
            continue
        flag = "--model" if name == "models" else f"--{name.replace('_', '-')}"
        values = value if isinstance(value, list) else [] if value is True else [value]
        parts.append(" ".join([flag, *(shlex.quote(str(v)) for v in values)]))
    if "keys" in call.arguments and not _reads_list(call):
        parts.append("--")
        parts += [shlex.quote(key) for key in call.arguments["keys"]]  # type: ignore[attr-defined]
    line = " ".join(parts)
    return line if len(line) <= 72 else " \\\n    ".join(parts)


def _shell_arguments(call: Call) -> Mapping[str, object]:
    if not _reads_list(call):
        return call.arguments
    return {"keys_from": LIST_FILE, **call.arguments}


def _variables(made: Sequence[Call], settings: Settings) -> dict[str, str]:
    """Return environment variables for settings that another process would not have."""
    passing = ("argument", "environment")
    names = ["data_dir", "bucket", "endpoint_url"]
    names += ["access_url"] if any(call.verb == _GATED_VERB for call in made) else []
    return {
        ENVIRONMENT[name]: str(getattr(settings, name))
        for name in names
        if settings.sources.get(name, "argument") in passing and getattr(settings, name)
    }
