"""The files under jobs/ are accepted by what reads them, and start commands that exist."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bcpoll import errors
from bcpoll.config import layers

JOBS = Path(__file__).parents[1] / "jobs"
UNITS = ["bcpoll.service", "bcpoll.timer", "bcpoll@.service", "bcpoll@.timer"]
PROGRAM = "/opt/bcpoll/bin/bcpoll"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the units that start a program which is there."""
    for name in UNITS:
        text = (JOBS / name).read_text().replace(PROGRAM, sys.executable)
        (tmp_path / name.replace("@.", "@shop.")).write_text(text)
    return tmp_path


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_unit(installed: Path, name: str) -> None:
    result = analyze("verify", "--man=no", str(installed / name.replace("@.", "@shop.")))
    assert (result.returncode, result.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", ["bcpoll.service", "bcpoll@.service"])
def test_the_unit_is_as_closed_as_the_readme_says(name: str) -> None:
    (rated,) = re.findall(r"rates its\s+exposure (\d)\.(\d) of 10", (JOBS / "README.md").read_text())
    result = analyze("security", "--offline=true", f"--threshold={''.join(rated)}", str(JOBS / name))
    assert result.returncode == 0, result.stdout[-200:]


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    """A unit file as section -> key -> values, for keys may stand there more than once."""
    sections: dict[str, dict[str, list[str]]] = {}
    keys: dict[str, list[str]] = {}
    for line in (JOBS / name).read_text().splitlines():
        if line.startswith("["):
            keys = sections.setdefault(line, {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            keys.setdefault(key, []).append(value)
    return sections


@pytest.mark.parametrize("kind", ["service", "timer"])
def test_the_unit_for_several_shops_differs_only_by_the_shop(kind: str) -> None:
    template = str(unit(f"bcpoll@.{kind}"))
    for several, one in [(" (%i)", ""), ("/%i.toml", "/config.toml"), ("/%i.", "/"), ("/%i", "")]:
        template = template.replace(several, one)
    assert template == str(unit(f"bcpoll.{kind}"))


def test_the_job_has_an_end_and_its_exit_codes_a_meaning() -> None:
    service = unit("bcpoll.service")["[Service]"]
    assert service["TimeoutStartSec"] == ["30min"]
    assert service["SuccessExitStatus"] == ["3 75"]


def commands() -> list[str]:
    """Every bcpoll command that the files start or tell to start."""
    found = []
    for file in sorted(JOBS.iterdir()):
        text = file.read_text().replace("\\\n", " ")
        found += re.findall(rf"{PROGRAM}((?: +--?[a-z]+ [^- ]+)* [a-z][a-z-]*)", text)
        found += re.findall(r"(?:exec|rm) [^\n`]*bcpoll( [a-z][a-z-]*)", text)
        found += re.findall(r"`bcpoll( [a-z-]+)[^`]*`", text)
    return sorted({call.split()[-1] for call in found})


def test_the_files_start_something() -> None:
    assert {"run-once", "status", "run", "review"} <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_the_command_exists(command: str) -> None:
    from bcpoll.cli import cli

    assert command in cli.list_commands(click.Context(cli))


def test_the_crontab_is_one_line_with_five_fields_and_no_percent_sign() -> None:
    (line,) = [one for one in (JOBS / "crontab").read_text().splitlines() if not one.startswith("#")]
    assert re.fullmatch(rf"\*/5 \* \* \* \* {PROGRAM} [^%]+", line)


def test_the_readme_explains_every_file() -> None:
    text = (JOBS / "README.md").read_text()
    assert [file.name for file in JOBS.iterdir() if f"`{file.name}`" not in text and file.name != "README.md"] == []


# --- the container ---------------------------------------------------------------------------------------------------

DOCKERFILE = (JOBS / "Dockerfile").read_text()
CRONJOB = (JOBS / "cronjob.yaml").read_text()


def instructions(name: str) -> list[str]:
    """What stands after an instruction of the Dockerfile, for each time it is there."""
    text = DOCKERFILE.replace("\\\n", " ")
    return [" ".join(line.split()[1:]) for line in text.splitlines() if line.split(" ")[0] == name]


def test_the_image_runs_as_an_ordinary_user_by_number() -> None:
    (user,) = instructions("USER")

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert f"useradd --uid {user.partition(':')[0]} " in DOCKERFILE


def test_the_checkpoint_of_the_image_is_in_its_volume() -> None:
    (volume,) = instructions("VOLUME")

    assert f"BCPOLL_CHECKPOINT__PATH={volume}/bcpoll.db" in DOCKERFILE


def test_nothing_gets_into_the_image_but_what_it_is_built_from() -> None:
    copied = {name for line in instructions("COPY") for name in line.split()[:-1]}

    assert copied == {"setup.py", "setup.cfg", "README.md", "LICENSE", "config.example.toml", "bcpoll"}
    assert {name for name in copied if not (JOBS.parent / name).exists()} == set()
    assert "TOKEN" not in DOCKERFILE.upper().replace("TOKENS", "").replace("NO TOKEN", "")


def test_the_image_starts_and_checks_with_commands_that_exist() -> None:
    from bcpoll.cli import cli

    (started,), (checked,) = instructions("CMD"), instructions("HEALTHCHECK")
    called = re.findall(r'"([a-z-]+)"', started) + re.findall(r"bcpoll ([a-z-]+)", checked)

    assert instructions("ENTRYPOINT") == ['["bcpoll"]']
    assert called == ["run", "check"]
    assert set(called) <= set(cli.commands)
    # Docker takes no other exit code for a failure than 1.
    assert "|| exit 1" in checked


# --- Kubernetes ------------------------------------------------------------------------------------------------------


def codes(action: str) -> set[int]:
    """The exit codes for which the job's policy has this action."""
    rules = re.findall(
        r"- action: (\w+)\n +onExitCodes:\n +containerName: bcpoll\n.*?values: \[(.*?)\]", CRONJOB, re.DOTALL
    )
    return {int(code) for name, values in rules if name == action for code in values.split(",")}


def retried() -> set[int]:
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.BcpollError)]
    return {one.exit_code for one in classes if issubclass(one, (errors.RetryLater, errors.LookAgain))}


def test_a_job_tries_again_just_what_may_pass_by_itself() -> None:
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.BcpollError)]

    assert codes("Count") == retried()
    assert codes("FailJob") == {one.exit_code for one in classes} - retried() | {2, 3}


@pytest.mark.parametrize(
    "line",
    [
        "concurrencyPolicy: Forbid",
        "restartPolicy: Never",
        "accessModes: [ReadWriteOncePod]",
        "runAsNonRoot: true",
        "fsGroupChangePolicy: OnRootMismatch",
        "allowPrivilegeEscalation: false",
        "readOnlyRootFilesystem: true",
        "drop: [ALL]",
        "type: RuntimeDefault",
        "automountServiceAccountToken: false",
        "args: [--log-format, json, run-once]",
    ],
)
def test_the_job_keeps_to_the_rules_for_closed_pods_and_runs_alone(line: str) -> None:
    assert re.search(rf"^ +{re.escape(line)}$", CRONJOB, re.MULTILINE)


def test_the_job_runs_as_the_user_of_the_image_and_keeps_its_checkpoint_on_the_claim() -> None:
    (user,) = instructions("USER")
    (path,) = re.findall(r"BCPOLL_CHECKPOINT__PATH\n +value: (\S+)/bcpoll.db", CRONJOB)

    assert re.findall(r"runAs(?:User|Group): (\d+)", CRONJOB) == user.split(":")
    assert re.search(rf"- name: state\n +mountPath: {path}$", CRONJOB, re.MULTILINE)
    assert re.search(r"- name: state\n +persistentVolumeClaim:\n +claimName: bcpoll$", CRONJOB, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")
def test_kubectl_can_read_the_job(tmp_path: Path) -> None:
    (tmp_path / "cronjob.yaml").write_text(CRONJOB)
    (tmp_path / "kustomization.yaml").write_text("resources: [cronjob.yaml]\n")
    read = subprocess.run(
        ["kubectl", "kustomize", str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )

    assert (read.returncode, read.stderr) == (0, "")
    assert re.findall(r"^kind: (\w+)$", read.stdout, re.MULTILINE) == ["PersistentVolumeClaim", "CronJob"]


def made_by_hand(folder: Path) -> list[list[str]]:
    """What jobs/README.md tells to make with kubectl before the job, as far as that can be tried without a cluster."""
    for name in ("config.toml", "bigcommerce_access_token", "pos_access_token"):
        (folder / name).write_text("what is in the file")
    text = (JOBS / "README.md").read_text()
    return [shlex.split(line) for line in re.findall(r"^kubectl create (?:configmap|secret) .*$", text, re.MULTILINE)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")
def test_what_is_made_by_hand_is_what_the_job_mounts(tmp_path: Path) -> None:
    made = [
        subprocess.run(
            [*line, "--dry-run=client", "--output=json"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        for line in made_by_hand(tmp_path)
    ]
    settings, tokens = (json.loads(one.stdout) for one in made)

    assert [(one["kind"], one["metadata"]["name"]) for one in (settings, tokens)] == [
        ("ConfigMap", re.findall(r"configMap:\n +name: (\w+)", CRONJOB)[0]),
        ("Secret", re.findall(r"secretName: (\w+)", CRONJOB)[0]),
    ]
    assert set(settings["data"]) == {layers.SYSTEM_FILE.name}
    assert set(tokens["data"]) == {"bigcommerce_access_token", "pos_access_token"} <= set(layers._CREDENTIAL_FILES)
    assert re.search(rf"- name: settings\n +mountPath: {layers.SYSTEM_FILE.parent}$", CRONJOB, re.MULTILINE)
