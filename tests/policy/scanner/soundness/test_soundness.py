"""No program that loads, reaches or evaluates what is forbidden is called safe.

Programs are drawn from a grammar, run in node under a hook that records what they do,
and scanned. What once broke the promise is kept in tests/data/evasions/unsound.samples.
"""

from __future__ import annotations

import pytest

from policy.scanner import Classification, scan_source
from tests.policy.scanner.soundness.grammar import make_program
from tests.policy.scanner.soundness.run import NODE, Outcome, breakers, run_programs

needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")
BATCH = 1_000


def _first(broken: list[Outcome]) -> str:
    return "\n\n".join(f"{one.program}\n// {one.bad}" for one in broken[:5])


@needs_node
def test_no_generated_program_that_does_what_is_forbidden_is_safe():
    outcomes = run_programs([make_program(seed) for seed in range(500)])
    assert sum(bool(outcome.bad) for outcome in outcomes) > 300
    broken = list(breakers(outcomes))
    assert not broken, _first(broken)


@needs_node
def test_hook_sees_loads_members_and_evaluated_text():
    outcomes = run_programs(
        [
            "require('node:vm')",
            "import('net')",
            "process.binding('x')",
            "Function('__hit(1)')()",
            "setTimeout(() => module.require('tls'))",
            "require('fs')",
        ]
    )
    assert [bool(outcome.bad) for outcome in outcomes] == [True] * 5 + [False]


@needs_node
@pytest.mark.slow
def test_no_program_of_a_hundred_thousand_is_safe_and_forbidden():
    for first in range(500, 100_500, BATCH):
        batch = range(first, first + BATCH)
        broken = list(breakers(run_programs([make_program(s) for s in batch])))
        assert not broken, _first(broken)


HARMLESS = {
    "a constant": "const m = 'fs'; require(m);",
    "one of two constants": "require(process.env.X ? 'fs' : 'path');",
    "pieces of constants": "const a = './lib/'; require(a + 'index.js');",
    "a member that nothing can change": "const o = {m: 'fs'}; require(o.m);",
    "an element that nothing can change": "const o = ['fs', 'os']; require(o[1]);",
    "every write known": "let m = 'fs'; if (x) m = 'path'; require(m);",
    "plain uses of the runtime": "const {env} = process; module.exports = {e: env.X};",
    "a listener": "process.on('exit', () => console.log(process.exitCode));",
    "a listener by name": "function f() { x(); } process.on('exit', f);",
    "asked for": "if (typeof require === 'function' && require.main === module) f();",
    "a factory": "(function (root, make) { root.Lib = make(); })(globalThis, f);",
    "a class of the same kind": "class A { a() { return this.constructor.b(); } }",
    "own names": "function f(require) { return require; } const eval2 = 1;",
    "a symbol": "function f(x) { let t = x[Symbol.iterator]; t = t.call(x); g(t()); }",
    "an element": "$('a').map(function () { return $(this).text(); });",
    "kinds of functions": "const A = Object.getPrototypeOf(async () => {}).constructor;"
    "module.exports = x => x instanceof A;",
    "a copy": "Object.defineProperties(a, Object.getOwnPropertyDescriptors(b));",
    "a trap": "new Proxy(a, {get(t, k, r) { return Reflect.get(t, k, r); }});",
    "Reflect if any": "const R = typeof Reflect === 'object' ? Reflect : null;"
    "const apply = R && R.apply; R.ownKeys(x);",
    "an own way": "const o = {set(k) { this[k] = 1; return this; }}; o.set('a').b();",
    "a place in an array": "const a = ['fs', 'os',]; require(a[1]);",
    "a type": "/** @jsx h */ const await_ = 1; declare_\n(x); // <!-- no",
    "callbacks by name": "const t = {a() {}, b() {}}; t[process.argv[2]]('x');",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_proved_harmless_stays_safe(name: str):
    report = scan_source(HARMLESS[name].encode(), "a.js")
    assert report.classification is Classification.SAFE, report.entries
