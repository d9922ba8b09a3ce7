"""From an answers file through host_vars and the role to the bot that reads /etc/kai/env."""

import hypothesis
import pytest
import yaml
from hypothesis import strategies as st
from kai import config as bot
from samples import probe
from whole_configurations import EVERYBODY, answers_to_everything

from kai_ansible.inventory.answers import answers_in, read_answers
from kai_ansible.inventory.host_vars_files import edited_texts
from kai_ansible.inventory.inventory import Inventory, write_host_vars
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.plain import plain
from kai_ansible.rules.run_plan import Subject, desired_files
from kai_ansible.secrets.made import made_secret
from kai_ansible.secrets.vault_password import VaultPassword
from kai_ansible.wizard.draft import Draft
from tests.read_in_process import variables as read_in_process

pytestmark = pytest.mark.slow


@hypothesis.settings(max_examples=10)
@hypothesis.given(st.data())
def test_every_answer_arrives_at_the_bot_as_it_was_given(
    contract: Contract,
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
) -> None:
    directory = tmp_path_factory.mktemp("way")
    answers, expected = data.draw(answers_to_everything(contract))
    path = directory / "answers.yml"
    content = {"host": {"source": "/src/kai"}, "users": EVERYBODY, "settings": answers}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    given, problems = read_answers(contract, answers_in(path))
    assert problems == []
    draft = Draft(contract, {})
    draft.give(given)
    inventory = Inventory(directory / "inventory", make_localhost=True)
    files = inventory.host_vars("localhost")
    password = VaultPassword(made_secret().encode(), None)
    texts, _ = edited_texts(files, draft.changes_in_order, draft.is_secret, password)
    write_host_vars(inventory, texts)

    variables = read_in_process(inventory.path, "localhost", password)
    seen = probe(programs={name: f"/usr/bin/{name}" for name in contract.programs})
    if "CODEX_BIN" in expected:
        works = {
            "path": expected["CODEX_BIN"],
            "source": "host_vars",
            "fault": None,
            "changers": [],
        }
        seen["binaries"]["codex"] = [works]
    configuration = read_configuration(contract, plain(variables))
    desired = desired_state(configuration, seen)
    assert desired["problems"] == []
    subject = Subject(configuration, plain(variables), {}, lambda *_template: "")
    [text] = desired_files(subject, desired)[1].values()
    # what nobody named is found on the host
    expected.setdefault("CODEX_BIN", "/usr/local/bin/codex")
    assert bot.read_environment({}, lambda name: text).file_values == expected
