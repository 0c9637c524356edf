"""The ways in which a source hides what it does, and what to do about each.

`suggested_pattern` is what the scanner should learn; `regression_test_idea` is the
case that shows that it did. The order is the order of telling: an entry that used
several techniques is filed under the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DIRECT = "direct"
LINE_BREAK = "line-break"
OUTSIDE_LINE_RULES = "outside-line-rules"


@dataclass(frozen=True)
class Family:
    """One technique of evasion."""

    name: str
    what: str
    suggested_pattern: str
    regression_test_idea: str


_ALL = (
    Family(
        "base64",
        "decoded from base64",
        "Fold atob(…) and Buffer.from(…, 'base64').toString() of constants; "
        "flag code or module names decoded from anything else.",
        "require(atob('dm0=')) and eval(Buffer.from('…','base64').toString()).",
    ),
    Family(
        "hex-encoding",
        "decoded from hexadecimal",
        "Fold Buffer.from(…, 'hex').toString() of constants.",
        "require(Buffer.from('766d', 'hex').toString()).",
    ),
    Family(
        "string-array",
        "fetched from an obfuscator's array of texts",
        "Run the function that fetches, after the loop that turns the array.",
        "The output of javascript-obfuscator, with RC4, for require('vm').",
    ),
    Family(
        "decoder-loop",
        "built up in a loop",
        "Follow counted loops over constants; flag text that a loop makes into code.",
        "let s=''; for (const c of [118,109]) s += String.fromCharCode(c); require(s).",
    ),
    Family(
        "character-codes",
        "made from character codes",
        "Fold String.fromCharCode, fromCodePoint and byte arrays of constants.",
        "require(String.fromCharCode(118, 109)).",
    ),
    Family(
        "escape-sequence",
        "spelled with coded escapes",
        "Resolve \\x, \\u and octal escapes in strings, templates and names first.",
        "require('\\x76m') and \\u0065val('1').",
    ),
    Family(
        "uri-decoding",
        "decoded from percent escapes",
        "Fold decodeURIComponent, decodeURI and unescape of constants.",
        "require(unescape('%76%6d')).",
    ),
    Family(
        "json-decoding",
        "read from JSON text",
        "Fold JSON.parse of constants.",
        "require(JSON.parse('\"vm\"')).",
    ),
    Family(
        "reversed-string",
        "written backwards",
        "Fold split, reverse and join of constants.",
        "require('mv'.split('').reverse().join('')).",
    ),
    Family(
        "number-base",
        "made from numbers in another base",
        "Fold number.toString(base) of constants.",
        "require((31).toString(36) + (22).toString(36)).",
    ),
    Family(
        "coercion",
        "made by converting values to text",
        "Fold ![]+[], [][[]]+[] and the text of native functions.",
        "[]['fl'+'at']['constructor']('code')() and its bracket-only forms.",
    ),
    Family(
        "string-rewrite",
        "cut or rewritten from another string",
        "Fold slice, substring, replace, repeat, trim and case changes of constants.",
        "require('xvmx'.slice(1, 3)).",
    ),
    Family(
        "array-join",
        "joined from an array",
        "Fold join of arrays of constants.",
        "require(['v', 'm'].join('')).",
    ),
    Family(
        "string-concatenation",
        "put together from pieces",
        "Fold +, += and concat of constants.",
        "require('v' + 'm') and eval('rm' + ' -rf').",
    ),
    Family(
        "function-name",
        "taken from the name of a function",
        "Fold function.name.",
        "function vm() {} require(vm.name).",
    ),
    Family(
        "constant-map",
        "looked up in an object of constants",
        "Fold members of object literals, maps and enums.",
        "const o = {m: 'vm'}; require(o.m).",
    ),
    Family(
        "class-member",
        "kept in a class",
        "Fold static and instance fields with constant values.",
        "class A { static m = 'vm' } require(A.m).",
    ),
    Family(
        "template-literal",
        "written as a template literal",
        "Read `…` as a string; fold constant substitutions.",
        "require(`vm`) and require(`v${'m'}`).",
    ),
    Family(
        "code-in-text",
        "reached through code in a string",
        "Scan constant code arguments of eval and Function as sources of their own.",
        "new Function('return process')().binding('fs').",
    ),
    Family(
        "string-timer",
        "run by a timer that is given text",
        "Treat setTimeout, setInterval and setImmediate of text as eval.",
        "setTimeout('require(\"vm\")', 0).",
    ),
    Family(
        "blob-worker",
        "run as a worker made from text",
        "Forbid Worker of blob and data URLs and of code given with eval.",
        "new Worker(URL.createObjectURL(new Blob([code]))).",
    ),
    Family(
        "data-url",
        "imported from a data URL",
        "Forbid imports of data URLs; scan their content.",
        "import('data:text/javascript,import \"vm\"').",
    ),
    Family(
        "constructor-chain",
        "reached through a value's constructor",
        "Read .constructor of any function as Function, however it is spelled.",
        "[].filter.constructor('return process')() and "
        "(async () => {}).constructor('code').",
    ),
    Family(
        "create-require",
        "loaded by a require made at run time",
        "Treat what createRequire returns as require.",
        "createRequire(import.meta.url)('vm').",
    ),
    Family(
        "loader-object",
        "loaded through an object of the module loader",
        "Treat module.require, process.mainModule.require, Module._load and "
        "process.getBuiltinModule as require.",
        "process.mainModule.require('vm') and process.getBuiltinModule('vm').",
    ),
    Family(
        "reflective-call",
        "called through Reflect, call, apply or bind",
        "See through Reflect.get/apply/construct and function.call/apply/bind.",
        "Reflect.apply(require, null, ['vm']) and eval.call(null, code).",
    ),
    Family(
        "indirect-eval",
        "called indirectly",
        "See through (0, eval) and other sequences in the place of a callee.",
        "(0, eval)('code').",
    ),
    Family(
        "with-statement",
        "named inside a with statement",
        "Resolve names inside with against its object.",
        "with (process) binding('fs').",
    ),
    Family(
        "tagged-template",
        "called with a tagged template",
        "Treat Function`…` and eval`…` as calls.",
        "Function`return process```.",
    ),
    Family(
        "escaping-eval",
        "handed on as a value",
        "Forbid eval as an argument; flag it as a value.",
        "['code'].map(eval).",
    ),
    Family(
        "computed-member",
        "named by a computed member",
        "Fold the key of a computed member and read it as the plain name.",
        "process['bin' + 'ding']('fs') and globalThis['eval']('1').",
    ),
    Family(
        "destructuring",
        "taken out by destructuring",
        "Follow destructuring patterns to the members that they read.",
        "const { binding: b } = process; b('fs').",
    ),
    Family(
        "named-import",
        "imported by name from a module",
        "Follow named imports of process and module to the members that they are.",
        "import { binding } from 'process'; binding('fs').",
    ),
    Family(
        "alias",
        "called by another name",
        "Follow assignments of require, eval, Function and process to new names.",
        "const r = require; r('vm').",
    ),
    Family(
        "argument",
        "handed to a function as an argument",
        "Follow the arguments of calls that can be seen into the parameters.",
        "(r => r('vm'))(require).",
    ),
    Family(
        "default-parameter",
        "hidden in a default value",
        "Fold defaults of parameters and patterns.",
        "function f(m = 'vm') { return require(m) }.",
    ),
    Family(
        "function-return",
        "returned by a function",
        "Fold functions that return constants or the runtime's own functions.",
        "const f = () => 'vm'; require(f()).",
    ),
    Family(
        "getter",
        "returned by a getter",
        "Fold getters like functions without arguments.",
        "const o = { get m() { return 'vm' } }; require(o.m).",
    ),
    Family(
        "conditional-expression",
        "one branch of a condition",
        "Look at every branch of ?:, ||, && and ??.",
        "require(x ? 'fs' : 'vm').",
    ),
    Family(
        "sequence-expression",
        "last in a sequence",
        "Read the last expression of a sequence.",
        "require((0, 'vm')).",
    ),
    Family(
        "assignment-value",
        "the value of an assignment",
        "Read an assignment as the value that it assigns.",
        "let m; require(m = 'vm').",
    ),
    Family(
        "dynamic-module",
        "a module name that only running would tell",
        "Flag require and import of anything that is not a constant.",
        "require(variable) and import(variable).",
    ),
    Family(
        "obfuscated-code",
        "written by an obfuscator",
        "Flag programs of six signs, of signs alone, of names that are numbers, and "
        "packers, by their shape.",
        "The output of javascript-obfuscator and of JSFuck for require('vm').",
    ),
    Family(
        "unproved",
        "reached by a value that other parts of the program may change",
        "Take a value for known only where nothing else can change it: no alias, no "
        "write in a closure or a loop, no member that may be overridden.",
        "const o = {m: 'fs'}; const p = o; p.m = 'vm'; require(o.m).",
    ),
    Family(
        "dynamic-member",
        "a member of the runtime that only running would tell",
        "Flag process[…], globalThis[…] and module[…] with a key that is not constant.",
        "process[variable]('fs').",
    ),
    Family(
        "variable",
        "kept in a variable",
        "Fold variables with constant values.",
        "const m = 'vm'; require(m).",
    ),
    Family(
        "global-object",
        "reached through the global object",
        "Read members of globalThis, global, window and self as globals.",
        "globalThis.process.binding('fs').",
    ),
    Family(
        "this-object",
        "reached through `this` outside of functions",
        "Read `this` outside of functions as the global object.",
        "this.process.binding('fs').",
    ),
    Family(
        "prototype-pollution",
        "writes to the prototype of everything",
        "Flag writes through __proto__, constructor.prototype and "
        "Object.setPrototypeOf, and recursive merges without a guard.",
        "target.__proto__.polluted = 1 and a merge of JSON.parse('{\"__proto__\":…}').",
    ),
    Family(
        "native-addon",
        "compiled code",
        "Forbid imports of .node files: loading one is process.dlopen.",
        "require('./addon.node').",
    ),
    Family(
        "unreadable-code",
        "code that the scanner cannot read",
        "Flag WebAssembly, importScripts, archives and what was not fully analysed.",
        "new WebAssembly.Module(bytes).",
    ),
    Family(
        LINE_BREAK,
        "spread over several lines",
        "Match across line ends, or read a syntax tree.",
        "require(\\n'vm'\\n).",
    ),
    Family(
        OUTSIDE_LINE_RULES,
        "plain, but no rule of the line-based scanner covers it",
        "Add the rule.",
        "The excerpt as it stands.",
    ),
    Family(
        DIRECT, "spelled out", "The line rules cover it.", "The excerpt as it stands."
    ),
)
FAMILIES = {family.name: family for family in _ALL}
_ORDER = {family.name: index for index, family in enumerate(_ALL)}

# Making code or names with these has no purpose but not to be read.
ENCODINGS = frozenset(
    [
        "base64",
        "hex-encoding",
        "character-codes",
        "escape-sequence",
        "uri-decoding",
        "json-decoding",
        "reversed-string",
        "number-base",
        "coercion",
        "decoder-loop",
        "string-array",
    ]
)
# Of these, what turns unreadable text into readable: nothing but decoding does it.
DECODINGS = ENCODINGS - {"number-base", "coercion", "decoder-loop"}
ASSEMBLIES = ENCODINGS | {"string-concatenation", "array-join", "string-rewrite"}


def order_techniques(names: Iterable[str]) -> tuple[str, ...]:
    """Return technique names in the order of telling."""
    return tuple(sorted(names, key=lambda name: _ORDER.get(name, len(_ORDER))))


def primary_family(names: Iterable[str]) -> str:
    """Return the most telling of the techniques, or `direct`."""
    return next(iter(order_techniques(names)), DIRECT)


def describe(names: Iterable[str]) -> str:
    """Return a clause such as "decoded from base64, called by another name"."""
    known = [FAMILIES[n].what for n in order_techniques(names) if n in FAMILIES]
    return ", ".join(known)
