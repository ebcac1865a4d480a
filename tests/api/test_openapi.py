from app.openapi import PATH, render


def test_openapi_yaml_is_true() -> None:
    assert PATH.read_text() == render(), "run: python -m app.openapi"


def test_the_document_does_not_depend_on_the_environment() -> None:
    assert render() == render()
