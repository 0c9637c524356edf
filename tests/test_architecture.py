"""The direction of imports, as README.md's map of the code states it."""

import ast
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("evidence", "policy", "incidents")
PURE = (
    "evidence/format",
    "evidence/simulation",
    "evidence/audit/chain.py",
    "evidence/audit/log/addresses.py",
    "evidence/audit/export_file.py",
    "evidence/call_stack.py",
    "evidence/errors.py",
    "evidence/handling.py",
    "evidence/set_clocks.py",
    "evidence/storable_values.py",
    "evidence/stored_moments.py",
    "evidence/proof",
    "evidence/text.py",
    "evidence/wording.py",
    "evidence/lookalikes.py",
    "policy/rules",
    "policy/scanner",
    "incidents/workflow",
    "incidents/findings",
    "incidents/picture",
)
NOT_FOR_PURE = ("django", "celery", "rest_framework", "psycopg", "redis", "config")
LAYERS = {
    # Values in, values out: no rows.
    "values": (
        "call_stack errors findings fonts format handling lookalikes picture "
        "picture_pdf playbooks proof postmortem_pdf rules scanner simulation "
        "storable_values set_clocks stored_moments text tones wording workflow zones"
    ),
    "models": "loading models",
    # What services stand on, and what reads rows for all of them.
    "ground": (
        "accounts audit case_queries counting_cache database health keyset "
        "notification_texts queue storage timeline_reading"
    ),
    "services": "services",
    # What people are shown, and in which words: no service knows of it.
    "pages": (
        "exports figure_words form_drawing form_keys markdown markup metrics "
        "notification_metrics plots phase_views reader_zone viewing shown_times "
        "spreadsheets static templates templatetags timeline_export"
    ),
    "doors": "admin api apps checks management pulling tasks",
}
"""Everything at the root of an app, from the bottom up. A module may import its own
layer and those below it, of its own app and of the apps below that."""
LOADED_LATE = {
    "apprise": "while a message is sent, or an address is checked: no lock",
    "boto3": "with the first call to a bucket, which takes longer",
    "botocore": "likewise",
    "confusable_homoglyphs": "under a case's lock, for 0.1 s",
    "cryptography": "while a checkpoint is published: no lock",
    "jsonschema": "under a case's lock, for 0.2 s, without what would take seconds",
    "reportlab": "while a page or a document is drawn: no lock",
    "rfc3161_client": "while a checkpoint is published: no lock",
}
"""What functions import only when they run, and who waits for that."""
FLOORS = {
    place: floor
    for floor, places in enumerate(LAYERS.values())
    for place in places.split()
}
WITHOUT_LAYER = {"__init__", "__pycache__", "migrations"}

SERVICES = ROOT / "incidents/services"
GROUND = frozenset(
    {
        "changes.py",
        "checklist_entries.py",
        "cycle_plan.py",
        "policy_records.py",
        "timeline.py",
    }
)
MIDDLE = GROUND | {"gates", "notifications"}
# What the services of a case may import, by room. What is not named here stands above
# all rooms and may import any.
ROOMS = {
    **dict.fromkeys(GROUND, GROUND),
    "gates": GROUND,
    "notifications": GROUND,
    **dict.fromkeys(("archives", "findings", "picture"), MIDDLE),
    "lifecycle": MIDDLE | {"archives", "findings"},
    "pruning": MIDDLE | {"archives", "lifecycle"},
    **dict.fromkeys(
        ("alerts", "checklists", "postmortems"),
        MIDDLE | {"archives", "findings", "lifecycle", "picture"},
    ),
}


def modules_of(place: str) -> list[Path]:
    path = ROOT / place
    if path.is_file():
        return [path]
    return [
        module
        for module in sorted(path.rglob("*.py"))
        if "migrations" not in module.parts
    ]


def imports_of(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module in APPS:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def is_inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def apps_modules() -> list[Path]:
    return [module for app in APPS for module in modules_of(app)]


def relative(module: Path) -> str:
    return module.relative_to(ROOT).as_posix()


def test_there_is_code_to_check() -> None:
    assert len(apps_modules()) > 50
    assert all(modules_of(place) for place in PURE)


@pytest.mark.parametrize("place", PURE)
def test_pure_code_knows_no_framework(place: str) -> None:
    found = {
        (relative(module), name)
        for module in modules_of(place)
        for name in imports_of(module)
        if any(is_inside(name, package) for package in NOT_FOR_PURE)
    }
    assert not found


@pytest.mark.parametrize("place", PURE)
def test_pure_code_imports_only_pure_code_of_the_apps(place: str) -> None:
    pure_names = [place.removesuffix(".py").replace("/", ".") for place in PURE]
    found = {
        (relative(module), name)
        for module in modules_of(place)
        for name in imports_of(module)
        if any(is_inside(name, app) for app in APPS)
        and not any(is_inside(name, pure) for pure in pure_names)
    }
    assert not found


@pytest.mark.parametrize(
    ("app", "forbidden"),
    [
        ("evidence", ("policy", "incidents", "config", "tests")),
        ("policy", ("incidents", "config", "tests")),
        ("incidents", ("config", "tests")),
    ],
)
def test_app_imports_only_what_stands_below_it(
    app: str, forbidden: tuple[str, ...]
) -> None:
    found = {
        (relative(module), name)
        for module in modules_of(app)
        for name in imports_of(module)
        if any(is_inside(name, package) for package in forbidden)
    }
    assert not found


def floor_of(name: str) -> int | None:
    """Return the floor of a module of the apps; None for an app itself."""
    parts = name.split(".")
    if len(parts) < 2 or parts[0] not in APPS or parts[1] in WITHOUT_LAYER:
        return None
    return FLOORS[parts[1]]


def test_everything_at_the_root_of_an_app_has_a_layer() -> None:
    places = {place.stem for app in APPS for place in (ROOT / app).iterdir()}
    assert places - WITHOUT_LAYER == set(FLOORS)


def test_layers_point_downwards() -> None:
    found = set()
    for module in apps_modules():
        own_name = relative(module).removesuffix(".py").replace("/", ".")
        own = floor_of(own_name)
        for name in imports_of(module):
            other = floor_of(name)
            if own is not None and other is not None and other > own:
                found.add((own_name, name))
    assert not found


@pytest.mark.parametrize("app", APPS)
def test_no_service_makes_addresses_of_pages(app: str) -> None:
    """A message carries the row it is about; the mail and the pages make links."""
    found = [
        relative(module)
        for module in modules_of(f"{app}/services")
        if "admin:" in module.read_text()
        or any(is_inside(name, "django.urls") for name in imports_of(module))
    ]
    assert not found


def rooms_below(module: Path) -> frozenset[str] | None:
    """Return the rooms a module of the services may import from; None: from all."""
    return ROOMS.get(module.relative_to(SERVICES).parts[0])


def test_every_service_has_its_room() -> None:
    rooms = {place.name for place in SERVICES.iterdir() if place.is_dir()}
    assert rooms - {"__pycache__"} == {name for name in ROOMS if "." not in name}


def test_services_of_a_case_import_only_from_rooms_below_their_own() -> None:
    found = set()
    for module in modules_of("incidents/services"):
        below = rooms_below(module)
        for name in imports_of(module):
            if below is None or not is_inside(name, "incidents.services"):
                continue
            room = f"{name}..".split(".")[2]
            own = module.relative_to(SERVICES).parts[0].removesuffix(".py")
            if room not in {own, *(module.removesuffix(".py") for module in below)}:
                found.add((relative(module), name))
    assert not found


def test_no_room_for_leftovers() -> None:
    leftovers = {"common", "core", "utils", "helpers", "misc"}
    assert not [
        relative(module)
        for module in apps_modules()
        if leftovers & {module.stem, *module.relative_to(ROOT).parts}
    ]


def test_only_storage_opens_evidence_bytes() -> None:
    found = [
        relative(module)
        for module in apps_modules()
        if "storages[" in module.read_text()
        and relative(module) != "evidence/storage/places.py"
    ]
    assert not found


@pytest.mark.parametrize(
    ("written", "home"),
    [
        (r'(?<!b)"\\x00"', "evidence/text.py"),
        (r"datetime\(1970", "evidence/stored_moments.py"),
        (r"2 ?\*\* ?63", "evidence/storable_values.py"),
        (r"size \+ 1\]", "evidence/keyset.py"),
        (r"import rest_framework as filters", "evidence/api/base/filters.py"),
    ],
)
def test_what_is_easily_written_twice_has_one_home(written: str, home: str) -> None:
    found = {
        relative(module)
        for module in apps_modules()
        if re.search(written, module.read_text())
    }
    assert found == {home}


def test_every_constant_of_a_module_is_used() -> None:
    """What the linter cannot see: a name in capitals that nothing reads."""
    sources = {
        module: module.read_text()
        for place in (*APPS, "config")
        for module in modules_of(place)
    }
    words = Counter(
        word for text in sources.values() for word in re.findall(r"\w+", text)
    )
    found = [
        (relative(module), target.id)
        for module, text in sources.items()
        if not module.name.startswith("settings")
        and module.name not in ("unfold.py", "formats.py")
        for node in ast.parse(text).body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id.isupper() and words[target.id] < 2
    ]
    assert not found


VERIFYING = ("evidence/format", "evidence/proof", "policy/rules", "policy/scanner")


@pytest.mark.parametrize("place", VERIFYING)
def test_every_function_that_verifies_says_what_it_does(place: str) -> None:
    """Nested ones and stubs aside; `D401` holds the docstrings to the imperative."""
    found = [
        f"{relative(module)}:{node.lineno} {node.name}"
        for module in modules_of(place)
        if module.name != "verify_archive.py"  # stands in every archive, and is short
        for owner in ast.walk(ast.parse(module.read_text()))
        if isinstance(owner, ast.Module | ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("__")
        and not (isinstance(node.body[0], ast.Expr) and node.end_lineno == node.lineno)
        and ast.get_docstring(node) is None
    ]
    assert not found


MIGRATION_LINES = 600
FROZEN = {
    # A released migration runs it: write the next copy instead of changing one.
    "evidence/migrations/_extension_v1.py": (
        "63db9fd19fe2d09fab0be125ed108a626e65f354b0095a595a50964d71f1eef5"
    ),
    "evidence/migrations/_pruning_v1.py": (
        "edab61c425cae61d8a8dee40e7a78bac47739b5ea92a96ff14ba1c8fbb1932f1"
    ),
    "evidence/migrations/_recording_v1.py": (
        "0bf8f5b10f8240cd98bf546eaa65a0d2988fca689e070844463d8c1ec4f28137"
    ),
    "evidence/migrations/_recording_v2.py": (
        "668e50dc363c63b5f126ee842f24656e39431b9f044f63a16e93a0ae36a01c9a"
    ),
    "evidence/migrations/_triggers_v1.py": (
        "1258c56abd87e9100083d01ee289caf3404eaaa00e187f294ea77b3041a21a66"
    ),
}


def test_nothing_large_is_loaded_late_unless_that_holds_nobody_up() -> None:
    """A playbook was first read under its case's lock, and loaded a parser for 4 s."""
    found: dict[str, set[str]] = {}
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            for name in _loaded_late(ast.parse(path.read_text())):
                found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    unstated = {name: found[name] for name in found.keys() - LOADED_LATE.keys()}
    assert not unstated, "say in LOADED_LATE what is held while it is loaded"
    assert found.keys() == LOADED_LATE.keys()


def _loaded_late(tree: ast.Module) -> set[str]:
    """Return the packages that are not ours and that functions import."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    inner = [
        node
        for outer in ast.walk(tree)
        if isinstance(outer, functions)
        for node in ast.walk(outer)
    ]
    modules = {
        alias.name
        for node in inner
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    modules |= {node.module or "" for node in inner if isinstance(node, ast.ImportFrom)}
    tops = {module.partition(".")[0] for module in modules}
    return tops - {*APPS, "config", "django"} - sys.stdlib_module_names


def test_no_page_orders_by_a_moment_alone() -> None:
    """Two rows of one moment stood now in this order, now in the other."""
    alone = re.compile(r'order_by\(\s*"-?\w+_at"\s*\)')
    pages = [path for app in APPS for path in (ROOT / app / "admin").rglob("*.py")]
    assert len(pages) > 50
    assert [path.name for path in pages if alone.search(path.read_text())] == []


def test_migrations_import_nothing_that_changes() -> None:
    frozen = {name.removesuffix(".py").replace("/", ".") for name in FROZEN}
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in sorted(ROOT.glob("*/migrations/*.py"))
        for name in imports_of(path)
        if any(is_inside(name, app) for app in (*APPS, "config")) and name not in frozen
    }
    assert not found


def test_frozen_copies_stay_as_they_are() -> None:
    copies = {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in ROOT.glob("*/migrations/_*.py")
        if path.name != "__init__.py"
    }
    assert copies == FROZEN


def test_a_migration_has_one_subject_and_is_short() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in ROOT.glob("*/migrations/0*.py")
        if (lines := len(path.read_text().splitlines())) > MIGRATION_LINES
    }
    assert not long


def test_no_test_asserts_how_long_something_takes() -> None:
    """On a slow machine it would fail for nothing: count work, or add a bench."""
    clock = re.compile(
        r"\b(perf_counter|process_time)\b|assert .*\b(monotonic|time)\(\) - .*<"
    )
    timed = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob("tests/**/*.py")
        if "bench" not in path.parts and clock.search(path.read_text())
    }
    assert timed == {"tests/test_architecture.py"}
