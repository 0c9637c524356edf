"""The figures as Markdown tables: the slowest, what a case takes, what changed."""

from __future__ import annotations

from typing import Any

SHOWN = 60
TABLES = 25
LONG_MS = 100
SLOWER, QUICKER = 1.25, 0.8
LEAST_MS = 5.0
"""Less than so many milliseconds apart is noise."""


def print_all(document: dict[str, Any]) -> None:
    """Print what was made, the questions that took longest, and what a case takes."""
    made, figures = document["made"], document["figures"]
    cases = made["cases"]
    print(
        f"\n### {cases:,} cases: {made['open']:,} open, {made['alerts']:,} alerts, "
        f"{made['items']:,} evidence items, {made['entries']:,} audit entries, "
        f"{made['recorded_rows']:,} recorded rows\n"
    )
    times = sorted(figure["ms"] for figure in figures)
    print(
        f"{len(figures)} questions; the median took {_at(times, 0.5):.0f} ms, "
        f"95 in 100 at most {_at(times, 0.95):.0f} ms, the longest {times[-1]:.0f} ms. "
        f"{sum(time > LONG_MS for time in times)} took more than {LONG_MS} ms.\n"
    )
    print(
        "| asked | as | ms | processor, ms | queries | database, ms | kB "
        "| reads most, ms | blocks | scanned whole | status |"
    )
    print(f"| --- | --- |{' ---: |' * 7} --- | ---: |")
    for figure in sorted(figures, key=lambda one: -one["ms"])[:SHOWN]:
        print(_line(figure))
    _print_sizes(document["sizes"], cases)
    _print_unused(document["unused"], cases)


def _line(figure: dict[str, Any]) -> str:
    scanned = ", ".join(sorted(set(figure["scanned"])))
    return (
        f"| {figure['name']} | {figure['role']} | {figure['ms']:.0f} "
        f"| {figure['processor_ms']:.0f} | {figure['queries']} "
        f"| {figure['database_ms']:.0f} "
        f"| {figure['size_bytes'] / 1000:.0f} | {figure['slowest_ms']:.1f} "
        f"| {figure['buffers']:,} | {scanned} | {figure['status']} |"
    )


def _print_sizes(sizes: list[dict[str, Any]], cases: int) -> None:
    print("\n| table | bytes a case | of its indexes |\n| --- | ---: | ---: |")
    for one in sizes[:TABLES]:
        print(
            f"| {one['table']} | {one['bytes'] / cases:,.0f} "
            f"| {one['index_bytes'] / cases:,.0f} |"
        )
    total = sum(one["bytes"] for one in sizes)
    indexes = sum(one["index_bytes"] for one in sizes)
    print(f"| together | {total / cases:,.0f} | {indexes / cases:,.0f} |")


def _print_unused(unused: list[dict[str, Any]], cases: int) -> None:
    """Print the largest indexes that no question needed, and that only cost space."""
    print("\n| index that no question used | of | bytes a case |\n| --- | --- | ---: |")
    for one in unused[:TABLES]:
        print(f"| {one['index']} | {one['table']} | {one['bytes'] / cases:,.0f} |")


def print_changes(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Print the questions whose queries changed, or whose time did by much."""
    known = {(one["name"], one["role"]): one for one in before["figures"]}
    print(f"\n### Changed since a run with {before['cases']:,} cases\n")
    print("| asked | as | ms before | ms | queries before | queries |")
    print(f"| --- | --- |{' ---: |' * 4}")
    for one in after["figures"]:
        was = known.pop((one["name"], one["role"]), None)
        if was is None:
            print(f"| {one['name']} | {one['role']} | new | {one['ms']:.0f} | | |")
        elif _has_changed(was, one):
            print(
                f"| {one['name']} | {one['role']} | {was['ms']:.0f} | {one['ms']:.0f} "
                f"| {was['queries']} | {one['queries']} |"
            )
    for name, role in known:
        print(f"| {name} | {role} | | no longer asked | | |")


def _has_changed(was: dict[str, Any], now: dict[str, Any]) -> bool:
    if was["queries"] != now["queries"]:
        return True
    ratio = now["ms"] / max(was["ms"], 0.001)
    is_noise = abs(now["ms"] - was["ms"]) < LEAST_MS
    return not is_noise and (ratio > SLOWER or ratio < QUICKER)


def _at(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(share * len(times)))]
