"""Calls of the library written down, as Python and as shell commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from laion_fmri.config import ENVIRONMENT, Settings
from laion_fmri.explorer.request import Call


def python_code(made: Sequence[Call], settings: Settings) -> str:
    """Python that does the same, whatever is configured elsewhere."""
    if not made:
        return ""
    lines = []
    variables = _variables(settings)
    if variables:
        lines += ["import os", ""]
        lines += [f"os.environ[{_quoted(k)}] = {_quoted(v)}" for k, v in variables.items()] + [""]
    verbs = sorted({call.verb for call in made})
    lines += [f"from laion_fmri.download import {', '.join(verbs)}", ""]
    lines += [_python_call(call) for call in made]
    return "\n".join(lines)


def _python_call(call: Call) -> str:
    arguments = [
        _python_value(value) if name == "subject" else f"{name}={_python_value(value)}"
        for name, value in call.arguments.items()
    ]
    line = f"{call.verb}({', '.join(arguments)})"
    if len(line) <= 68:
        return line
    return "\n".join([f"{call.verb}(", *(f"    {argument}," for argument in arguments), ")"])


def _python_value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_quoted(v) for v in value)}]"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return f'"{text}"' if text.isprintable() and not set(text) & set('"\\') else repr(text)


def shell_code(made: Sequence[Call], settings: Settings) -> str:
    """Shell commands that do the same."""
    if not made:
        return ""
    exports = [f"export {k}={shlex.quote(v)}" for k, v in _variables(settings).items()]
    return "\n".join(exports + [_shell_call(call) for call in made])


def _shell_call(call: Call) -> str:
    parts = [f"laion-fmri {call.verb.replace('_', '-')}"]
    for name, value in call.arguments.items():
        flag = "--model" if name == "models" else f"--{name.replace('_', '-')}"
        values = value if isinstance(value, list) else [] if value is True else [value]
        parts.append(" ".join([flag, *(shlex.quote(str(v)) for v in values)]))
    line = " ".join(parts)
    return line if len(line) <= 72 else " \\\n    ".join(parts)


def _variables(settings: Settings) -> dict[str, str]:
    """Settings that another process would not find by itself."""
    passing = ("argument", "environment")
    return {
        ENVIRONMENT[name]: str(getattr(settings, name))
        for name in ("data_dir", "bucket", "endpoint_url")
        if settings.sources.get(name, "argument") in passing and getattr(settings, name)
    }
