"""What is asked for and not done yet is never said in green."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APPS = ("evidence", "policy", "incidents")
WAITS = re.compile(
    r"\bworker\b|\bqueued\b|on its way|tried again|being made|is requested"
    r"|^asked for|reviewer (other|can|approves)|shows whether|not verified"
    r"|is ordered|\border to\b",
    re.IGNORECASE,
)
SAYING = {"tell", "messages.success", "on_row", "on_request"}


def words_of(node: ast.expr) -> str:
    """Return the literal text of an expression; '' of one that is put together."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "…".join(words_of(part) for part in parts)
        case ast.IfExp(body=body, orelse=other):
            return f"{words_of(body)} {words_of(other)}"
        case _:
            return ""


def said_in_green(tree: ast.AST) -> list[tuple[int, str]]:
    """Return line and words of what a page would say as done."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=func, args=args, keywords=keywords):
                found += [given.value for given in keywords if given.arg == "success"]
                if ast.unparse(func) in SAYING:
                    found += args[1:]
            case ast.FunctionDef(returns=ast.Name(id="str"), args=given) if any(
                one.arg == "request" for one in given.args
            ):
                returns = [n for n in ast.walk(node) if isinstance(n, ast.Return)]
                found += [n.value for n in returns if n.value is not None]
            case _:
                continue
    return [(node.lineno, words_of(node)) for node in found]


def test_pages_say_waiting_work_as_waiting():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {words}"
        for app in APPS
        for path in sorted((ROOT / app / "admin").rglob("*.py"))
        for line, words in said_in_green(ast.parse(path.read_text()))
        if WAITS.search(words)
    ]
    assert not wrong, "say it as Waiting(…):\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "source",
    [
        'messages.success(request, "It is queued again.")',
        'call_service(request, run, success="A worker reads it again.")',
        'tell(request, f"On its way by {names}.")',
        "def act(request, obj, data) -> str:\n"
        '    return f"A promotion to {to} is requested."',
    ],
)
def test_the_test_finds_what_it_is_for(source):
    assert any(WAITS.search(words) for _, words in said_in_green(ast.parse(source)))
