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
