"""Values that are counted, compared, cut and printed as JavaScript does it."""

from __future__ import annotations

import pytest

from policy.scanner import Classification, scan_source


def _load(expression: str) -> Classification:
    return scan_source(f"require({expression})".encode(), "a.js").classification


@pytest.mark.parametrize(
    "expression",
    [
        "['fs', 'vm'][parseInt('0x1')]",
        "['fs', 'vm'][parseFloat('1 and more')]",
        "['fs', 'vm'][+('a' < 'b')]",
        "['vm', 'fs'][+(NaN === NaN)]",
        "['fs', 'vm'][+(null == undefined)]",
        "['vm', 'fs'][[, 1].length - 2]",
        "['fs', 'vm'][['b', 'a'].indexOf('' + 'a')]",
        "['fs', 'vm'][Math.round(0.49999999999999994) + 1]",
        "['fs', 'vm'][+(1 / 0 > 1)]",
        "['fs', 'vm'][+(String(1e-7) === '1e-7')]",
        "['fs', 'vm'][+(String(0.00001) === '0.00001')]",
        "['fs', 'vm'][+(String(123456789012345680000) === '123456789012345680000')]",
        "['fs', 'vm'][+('\\ufeffx\\u00a0'.trim() === 'x')]",
        "['fs', 'vm']['x'.indexOf('x', 1) + 2]",
        "'v-x-y'.split('-', 1)[0] + 'm'",
        "'vm'.substring()",
        "'vm'.padEnd(4, undefined).trim()",
        "['f', 'm', 'v'].reduceRight((p, c, i) => i ? p + c : p, '')",
        "[undefined, 'vm'].sort()[0]",
        "Object.keys({vm: 1, 1: 1})[1]",
    ],
)
def test_value_is_the_one_that_javascript_comes_to(expression: str) -> None:
    assert _load(expression) is Classification.FORBIDDEN


@pytest.mark.parametrize(
    "expression",
    [
        "(-8) ** (1 / 3)",
        "0 ** -1",
        "1e300 ** 64",
        "'\\u{1f600}vm'.slice(2)",
        "[1, [2, [3]]].flat(2).join('')",
    ],
)
def test_value_that_is_not_followed_is_not_known(expression: str) -> None:
    assert _load(expression) is not Classification.FORBIDDEN
