"""What lists and fields are called: words, with plurals that are right."""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.db.models import Model

OWN = ("evidence", "policy", "incidents")
MODELS = [model for model in apps.get_models() if model._meta.app_label in OWN]
WRONG_PLURAL = re.compile(r"(s|x|z|ch|sh|[^aeiou]y)s$")
ABBREVIATION = re.compile(r"\b(Ci|Api|Json|Url|Id|Utc)\b")


def labels(model: type[Model]) -> list[str]:
    return [
        str(label)
        for field in model._meta.fields
        for _, label in field.choices or ()
        if isinstance(label, str)
    ]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_every_model_has_a_right_plural(model: type[Model]) -> None:
    assert not WRONG_PLURAL.search(str(model._meta.verbose_name_plural))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_every_value_has_a_label_in_words(model: type[Model]) -> None:
    for label in labels(model):
        assert "_" not in label
        assert label[:1].isupper()
        assert not ABBREVIATION.search(label)


def test_values_that_are_not_their_own_words_have_some() -> None:
    model = apps.get_model("incidents", "Incident")
    assert "CI gate" in labels(model)
    assert "Closed as duplicate" in labels(model)
