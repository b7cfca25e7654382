#!/usr/bin/env python3
"""Compares netc with ONNX Runtime, OpenVINO, PyTorch and oneDNN on this machine, by turns in one run.

    bench/compare.py --prepare                                    once: virtual environments, exported models; times nothing
    bench/compare.py --check                                      once: all programs give the same logits
    bench/compare.py --only resnet50 --mode inference --batch 1   a few cases, some seconds each
    bench/compare.py --resume --limit 90                          goes on where the last run stopped, for at most 90 s
    bench/compare.py --convolutions --threads 2 --dtype f32       each convolution of ResNet-50 against oneDNN
    bench/compare.py --memory                                     peak memory of a training step, netc's and PyTorch's
    bench/compare.py --table                                      prints what the results file holds

Ratios are the peer's time over netc's, so that above 1 netc is faster: of the least times, and in brackets from round to round. A star
marks times during all of which other processes took more than 5 % of the machine.
"""
import argparse
import datetime
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from peers import cases as matrix
from peers import compare_convolutions, compare_memory, compare_networks, report
from peers.alternate import raise_priority
from peers.environment import ROOT, Environment, machine


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--prepare", action="store_true", help="install and export what is missing")
    action.add_argument("--prepare-inductor", action="store_true", help="let torch.compile compile the chosen cases; minutes each")
    action.add_argument("--check", action="store_true", help="compare the logits of all programs")
    action.add_argument("--convolutions", action="store_true", help="ResNet-50's convolutions against oneDNN")
    action.add_argument("--memory", action="store_true", help="peak memory of ResNet-50's training step at 32 images")
    action.add_argument("--table", action="store_true", help="print the results file")
    parser.add_argument("--only", nargs="+", choices=list(matrix.REFERENCES), help="networks")
    parser.add_argument("--mode", choices=["inference", "training"])
    parser.add_argument("--batch", type=int)
    parser.add_argument("--dtype", choices=["f32", "bf16"])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--peers", nargs="+", choices=matrix.PEER_NAMES)
    parser.add_argument("--shape", nargs="+", help="with --convolutions: only those whose name contains one of these")
    parser.add_argument("--direction", nargs="+", choices=["forward", "data", "weights"], default=["forward", "data", "weights"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a window; at least one step")
    parser.add_argument("--quick", action="store_true", help="two rounds of short windows")
    parser.add_argument("--limit", type=float, default=90, help="begin no case after so many seconds")
    parser.add_argument("--resume", action="store_true", help="skip what the results file has")
    parser.add_argument("--folder", default=ROOT / "build/bench", help="of the virtual environments and models")
    parser.add_argument("--netc", default=ROOT / "build/release/netc")
    parser.add_argument("--output", type=Path, help="results file; default FOLDER/results.json")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds = 2, 0.25
    args.output = args.output or Path(args.folder) / "results.json"
    return args


def chosen_cases(args):
    def wanted(case):
        return ((not args.only or case.network in args.only) and args.mode in (None, case.mode) and args.batch in (None, case.batch)
                and args.dtype in (None, case.dtype) and args.threads in (None, case.threads))
    return [case for case in matrix.all_cases() if wanted(case)]


def load_results(path):
    if path.exists():
        return json.loads(path.read_text())
    return {"machine": machine(), "cases": [], "convolutions": [], "memory": []}


def stamp(environment):
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "netc": commit.stdout.strip()}


def measured_limits(environment, threads):
    program = subprocess.Popen([environment.folder / "machine_limits", str(threads)], stdout=subprocess.PIPE, text=True,
                               start_new_session=True)
    raise_priority(program.pid)
    return json.loads(program.communicate()[0])


def replace(results, entries, key):
    known = {key(e): i for i, e in enumerate(results)}
    for entry in entries:
        if key(entry) in known:
            results[known[key(entry)]] = entry
        else:
            results.append(entry)


def run_networks(args, environment, results):
    limits, begin, done = {}, time.monotonic(), []
    for case in chosen_cases(args):
        if args.resume and any(c["key"] == case.key() for c in results["cases"]):
            continue
        if time.monotonic() - begin > args.limit:
            environment.log(f"stopped at the limit, before {case.key()}")
            break
        limits[case.threads] = limits.get(case.threads) or measured_limits(environment, case.threads)
        peers = [p for p in matrix.peers_of(case) if not args.peers or p in args.peers]
        result = compare_networks.run_case(environment, case, peers, args.rounds, args.seconds, limits[case.threads])
        result.update(stamp(environment))
        replace(results["cases"], [result], lambda c: c["key"])
        report.save(args.output, results)
        environment.log(f"{case.key()}: {time.monotonic() - begin:.0f} s")
        done.append(result)
    return report.cases_table(done)


def main():
    args = parse_arguments()
    environment = Environment(args.folder, args.netc)
    if args.prepare:
        environment.prepare()
        return 0
    if args.prepare_inductor:
        for case in chosen_cases(args):
            compare_networks.prepare_inductor(environment, case)
        return 0
    if args.check:
        lines, right = compare_networks.check_logits(environment, args.only or matrix.IMAGENET)
        print("\n".join(lines))
        return 0 if right else 1
    results = load_results(args.output)
    if args.table:
        print(report.cases_table(results["cases"]))
        print(report.convolutions_table(results["convolutions"]))
        print(report.memory_table(results["memory"]))
    elif args.memory:
        case = matrix.Case("resnet50", "training", args.batch or 32, args.dtype or "f32", args.threads or 2)
        measured = {**compare_memory.run(environment, case), **stamp(environment)}
        replace(results["memory"], [measured], lambda r: r["key"])
        report.save(args.output, results)
        print(report.memory_table([measured]))
    elif args.convolutions:
        print(compare_convolutions.run(args, environment, results, measured_limits, stamp, replace))
    else:
        print(run_networks(args, environment, results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
