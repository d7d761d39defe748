"""The rules find what they are for."""

import pytest
from tests.unit.ship import rules


class TestRegistryHosts:
    @pytest.mark.parametrize("host", rules.REGISTRY_HOSTS)
    def test_is_found_in_an_address(self, host: str) -> None:
        assert list(rules.registry_hosts(f"see https://{host}/simple")) == [
            f"names the registry host {host}"
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "pypi organises",
            "files.example.org",
            "my" + rules.REGISTRY_HOSTS[0],
            "the package index",
        ],
    )
    def test_is_not_found_where_there_is_none(self, text: str) -> None:
        assert list(rules.registry_hosts(text)) == []


class TestMachinePaths:
    def test_is_found(self) -> None:
        [path, *_] = rules.MACHINE_PATHS
        assert list(rules.machine_paths(f"cd {path}x")) == [f"holds the path {path}"]

    def test_is_not_found_in_a_path_of_anybody(self) -> None:
        assert list(rules.machine_paths("/usr/bin/python3 and ~/work/mainline")) == []


class TestLocks:
    def test_uv_lock_is_found_wherever_it_is(self) -> None:
        assert list(rules.lock_addresses("operator/uv.lock", ""))

    def test_package_lock_with_addresses_is_found(self) -> None:
        text = '{"packages": {"a": {"resolved": "somewhere"}}, "list": [1]}'
        assert list(rules.lock_addresses("web/package-lock.json", text))

    def test_package_lock_without_addresses_is_fine(self) -> None:
        text = '{"packages": {"a": {"integrity": "sha512-"}}}'
        assert list(rules.lock_addresses("package-lock.json", text)) == []


class TestSizes:
    def test_long_file_is_found(self) -> None:
        assert list(rules.long_file("x\n" * 4, 3)) == ["has 4 lines, more than 3"]
        assert list(rules.long_file("x\n" * 3, 3)) == []

    def test_long_function_is_found_with_its_line(self) -> None:
        text = "class A:\n    async def f(self):\n        '''Doc.'''\n        return 1\n"
        assert list(rules.long_functions(text, 2)) == ["line 2: f has 3 lines, more than 2"]
        assert list(rules.long_functions(text, 3)) == []

    def test_code_is_what_is_neither_blank_nor_comment_nor_docstring(self) -> None:
        text = '"""Note.\n\nMore.\n"""\n\nimport os  # why\n\n# alone\nx = (\n    1,\n)\n'
        assert rules.code_lines(text) == 4
