"""Files of an archive that are run whatever they are called."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from policy.scanner import Classification, FileReport, scan_source

LOAD = "require('vm').runInThisContext(text)\n"


def _scan(files: dict[str, str]) -> dict[str, FileReport]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    report = scan_source(packed.getvalue(), "extension.zip")
    return {file.path: file for file in report.files}


REACHED = {
    "main": ("lib.dat", {"package.json": json.dumps({"main": "lib.dat"})}),
    "exports": (
        "a/b.bin",
        {"package.json": json.dumps({"exports": {".": {"require": "./a/b.bin"}}})},
    ),
    "imports": ("x.txt", {"package.json": json.dumps({"imports": {"#x": "./x.txt"}})}),
    "bin": ("run", {"package.json": json.dumps({"bin": {"tool": "run"}})}),
    "scripts": (
        "setup.cfg",
        {"package.json": json.dumps({"scripts": {"test": "node setup.cfg"}})},
    ),
    "require": ("data.txt", {"index.js": "require('./data.txt')"}),
    "import": ("data.txt", {"index.mjs": "import './data.txt'"}),
    "import of an import": (
        "b.txt",
        {"index.js": "require('./a.txt')", "a.txt": "require('./b.txt')"},
    ),
    "folder of commands": (
        "tools/run",
        {"package.json": json.dumps({"directories": {"bin": "./tools"}})},
    ),
    "extension": (
        "x.dat",
        {"package.json": json.dumps({"pi": {"extensions": ["./x.dat"]}})},
    ),
    "pattern of exports": (
        "src/x.dat",
        {"package.json": json.dumps({"exports": {"./f/*": "./src/*.dat"}})},
    ),
    "manifest of a folder": (
        "sub/x.dat",
        {
            "index.js": "require('./sub')",
            "sub/package.json": json.dumps({"main": "x.dat"}),
        },
    ),
    "source map": ("x.map", {"index.js": "require('./x.map')"}),
    **{
        f"script {command}": (
            "run.dat",
            {"package.json": json.dumps({"scripts": {"start": command}})},
        )
        for command in (
            "node -r ./run.dat index.js",
            "node --require=./run.dat index.js",
            "node --import ./run.dat index.js",
            "NODE_OPTIONS='--require ./run.dat' node index.js",
            "node 'run.dat'",
            "nodejs run.dat",
            "npx tsx run.dat && echo",
            "./run.dat",
        )
    },
    **{
        f"source {source}": ("run.dat", {"index.mjs": source})
        for source in (
            "require(require.resolve('./run.dat'))",
            "require(path.join(__dirname, 'run.dat'))",
            "require(__dirname + '/run.dat')",
            "require(/* a */ './run.dat')",
            "import(new URL('./run.dat', import.meta.url))",
            "export * from './run.dat'",
            "new Worker(new URL('./run.dat', import.meta.url))",
            # By names that only the scan makes out.
            "const p = './run.dat'; require(p)",
            "require('./run' + '.dat')",
            "require(`./${'run'}.dat`)",
            "require('./r\\x75n.dat')",
            "require(('./run.dat'))",
            "require(// a\n'./run.dat')",
            "require?.('./run.dat')",
            "(0, require)('./run.dat')",
            "const r = require; r('./run.dat')",
            "require(process.env.X ? './none.dat' : './run.dat')",
        )
    },
    "old suffix": ("lib.es6", {"index.js": ""}),
}


@pytest.mark.parametrize("way", REACHED)
def test_file_that_is_run_is_read_as_code_whatever_it_is_called(way: str):
    path, files = REACHED[way]
    found = _scan({**files, path: LOAD})[path]
    assert found.classification is Classification.FORBIDDEN
    assert "forbidden-module" in {entry.rule for entry in found.entries}
    assert "unreached-code" not in {entry.rule for entry in found.entries}


def test_code_that_nothing_is_seen_to_run_is_named():
    found = _scan({"index.js": "", "notes.txt": LOAD})["notes.txt"]
    assert {"unreached-code", "forbidden-module"} <= {e.rule for e in found.entries}


def test_file_that_is_loaded_is_read_though_the_grammar_cannot_read_all_of_it():
    load = {"index.js": "const p = './x.txt'; require(p)"}
    found = _scan({**load, "x.txt": "0 <!-- )(\n" + LOAD})["x.txt"]
    assert {"forbidden-module", "syntax-error"} <= {e.rule for e in found.entries}


def test_files_that_load_each_other_are_read_once():
    first = {"index.js": "const p = './a.txt'; require(p)"}
    second = {"a.txt": "const p = './b.txt'; require(p)", "b.txt": "require('./a.txt')"}
    found = _scan({**first, **second, "c.txt": LOAD})
    assert found["b.txt"].language == "javascript"


@pytest.mark.parametrize("suffix", [".md", ".css", ".html", ".yml", ".map", ".svg"])
def test_code_that_nothing_is_seen_to_run_is_named_whatever_its_suffix(suffix: str):
    found = _scan({"index.js": "", f"x{suffix}": LOAD})[f"x{suffix}"]
    assert {"unreached-code", "forbidden-module"} <= {e.rule for e in found.entries}


@pytest.mark.parametrize("name", ["x.map", "x.json", "x.dat"])
def test_json_is_no_code(name: str):
    text = json.dumps({"sourcesContent": [LOAD, "eval(x)"]})
    assert _scan({"index.js": "", name: text})[name].entries == ()


@pytest.mark.parametrize(
    ("manifest", "rule"),
    [
        ({"imports": {"#x": "dgram"}}, "forbidden-module"),
        ({"imports": {"#x": {"node": "node:vm"}}}, "forbidden-module"),
        ({"browser": {"./a.js": "net"}}, "forbidden-module"),
        ({"imports": {"#x/*": "*"}}, "dynamic-module"),
        ({"dependencies": {"x": "https://a.example/x.tgz"}}, "remote-module"),
        ({"optionalDependencies": {"x": "github:a/b"}}, "remote-module"),
        ({"scripts": {"prepare": "node -e \"require('net')\""}}, "forbidden-module"),
        ({"scripts": {"install": "node -pe require('net')"}}, "forbidden-module"),
        (
            {"scripts": {"install": "node -e 1 && node -e \"require('net')\""}},
            "forbidden-module",
        ),
        ({"x": "x" * 1_100_000, "scripts": {"install": "x"}}, "not-fully-analysed"),
    ],
)
def test_manifest_that_leads_elsewhere_is_named(manifest: dict[str, object], rule: str):
    files = {"index.js": "", "package.json": json.dumps(manifest)}
    assert rule in {e.rule for e in _scan(files)["package.json"].entries}


def test_preparing_and_ranges_of_versions_are_no_findings():
    manifest = {
        "scripts": {"prepare": "husky", "prepublish": "node -e \"require('fs')\""},
        "dependencies": {"a": "^1.0.0", "b": "npm:c@2", "c": "file:../c"},
        "imports": {"#x": "./x.js", "#y/*": "./y/*.js", "#z": "fs"},
    }
    found = _scan({"index.js": "", "package.json": json.dumps(manifest)})
    assert found["package.json"].classification is Classification.SAFE


@pytest.mark.parametrize(
    "start",
    [
        '\ufeff{"scripts": {"install": "x"}',
        '{"n": ' + "1" * 5_000 + ', "scripts": {"install": "x"}',
        '{"scripts": {"install": "x"}, "n": ' + "[" * 20_000 + "]" * 20_000,
    ],
    ids=["byte order mark", "digits", "depth"],
)
def test_manifest_that_npm_can_read_is_read_or_flagged(start: str):
    found = _scan({"index.js": "", "package.json": start + "}"})["package.json"]
    rules = {entry.rule for entry in found.entries}
    assert rules & {"install-script", "not-fully-analysed"}


@pytest.mark.parametrize("setting", ["node-options=-r ./x.md", "script-shell = ./x"])
def test_settings_of_npm_that_run_other_code_are_flagged(setting: str):
    found = _scan({"index.js": "", ".npmrc": f"save=false\n{setting}\n"})[".npmrc"]
    assert {entry.rule for entry in found.entries} == {"runtime-options"}


def test_declarations_that_call_something_are_code():
    found = _scan({"a.d.ts": LOAD, "b.d.ts": "import {Script} from 'vm';\n"})
    assert found["a.d.ts"].classification is Classification.FORBIDDEN
    assert found["b.d.ts"].classification is Classification.SAFE


def test_prose_beside_the_code_is_not_taken_for_code():
    prose = "You may require('vm') here. (See process.md.) It is eval, of a kind.\n"
    found = _scan({"index.js": "", "LICENSE": prose})["LICENSE"]
    assert found.classification is Classification.SAFE


def test_install_script_is_flagged_and_its_code_is_read():
    script = "node -e \"require('child_process').exec('x')\""
    manifest = json.dumps({"scripts": {"postinstall": script}}, indent=1)
    found = _scan({"index.js": "", "package.json": manifest})["package.json"]
    assert {"install-script", "forbidden-module"} <= {e.rule for e in found.entries}
    assert {entry.line for entry in found.entries} == {3}


def test_build_that_npm_runs_by_itself_is_flagged():
    files = {"index.js": "", "package.json": "{}", "binding.gyp": "{}"}
    found = _scan(files)["binding.gyp"]
    assert {entry.rule for entry in found.entries} == {"install-script"}


def test_data_that_is_only_read_is_not_taken_for_code():
    found = _scan({"index.js": "fs.readFileSync('./a.txt')", "a.txt": "to be read ("})
    assert found["a.txt"].classification is Classification.SAFE


@pytest.mark.parametrize("name", ["build.sh", "README.md"])
def test_what_a_script_only_handles_is_not_taken_for_code(name: str):
    manifest = json.dumps({"scripts": {"lint": f"check {name}"}})
    found = _scan({"index.js": "", "package.json": manifest, name: "# To be (done"})
    assert found[name].classification is Classification.SAFE


def test_pattern_of_exports_takes_no_prose_for_code():
    manifest = json.dumps({"exports": {"./*": "./*"}})
    found = _scan({"index.js": "", "package.json": manifest, "a.md": "# To be read ("})
    assert found["a.md"].classification is Classification.SAFE


def test_script_called_server_node_js_is_not_taken_for_compiled_code():
    load = {"index.js": "module.exports = require('./server.node');"}
    with_script = _scan({**load, "server.node.js": "module.exports = 1;"})
    assert with_script["index.js"].classification is Classification.SAFE
    with_both = _scan({**load, "server.node.js": "", "server.node": "\x7fELF"})
    assert with_both["index.js"].classification is Classification.FORBIDDEN


def test_manifest_that_cannot_be_read_runs_nothing_and_breaks_nothing():
    found = _scan({"index.js": "", "package.json": "{" * 10_000})
    assert found["package.json"].classification is Classification.SAFE
