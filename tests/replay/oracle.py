"""The replay protocol once more, written from its description and not from the C++.

    oracle.py NODES PODS ARRIVALS > golden.csv

Slow and plain on purpose: every node is looked at for every pod, nothing is indexed.  `random` is
missing, since its draws are nobody's business.  Prints a row a policy and seed.
"""
import collections
import csv
import functools
import math
import sys

POLICIES = ["dotprod", "bestfit", "packing", "clustering", "fgd"]


class Node:
    def __init__(self, row, rank):
        self.cpu, self.memory = int(row["cpu_milli"]), int(row["memory_mib"])
        self.gpus, self.model, self.rank = [1000] * int(row["gpu"]), row["model"], rank
        self.shapes = set()


class Pod:
    def __init__(self, row):
        self.cpu, self.memory = int(row["cpu_milli"]), int(row["memory_mib"])
        self.count = int(row["num_gpu"])
        self.milli = int(row["gpu_milli"]) if self.count else 0
        self.spec = row["gpu_spec"]
        self.models = set(self.spec.split("|")) if self.spec else None
        self.share = self.count == 1 and self.milli < 1000
        self.shape = "share" if self.share else self.count


def fits(node, pod):
    if node.cpu < pod.cpu or node.memory < pod.memory:
        return False
    if pod.models and node.model not in pod.models:
        return False
    return sum(free >= pod.milli for free in node.gpus) >= pod.count if pod.count else True


def after(node, pod, gpu):
    """cpu and GPUs left when the pod has come."""
    gpus = list(node.gpus)
    if pod.share:
        gpus[gpu] -= pod.milli
    else:
        for _ in range(pod.count):
            gpus[gpus.index(1000)] = 0
    return node.cpu - pod.cpu, gpus


def typical(pods):
    """The most frequent classes that make up 95% of the pods, with their counts."""
    counts = collections.Counter((p.cpu, p.milli, p.count, p.spec) for p in pods)
    classes, covered = [], 0
    for count, key in sorted(((count, key) for key, count in counts.items()), reverse=True):
        if covered >= 0.95 * len(pods):
            break
        covered += count
        classes.append((key, count))
    return classes, covered


class Fragments:
    def __init__(self, pods):
        classes, self.total = typical(pods)
        self.classes = classes

    @functools.lru_cache(maxsize=None)
    def amount(self, model, cpu, gpus):
        whole = sum(gpus)
        lost = 0
        for (need, milli, count, spec), weight in self.classes:
            usable = count > 0 and cpu >= need and (not spec or model in spec.split("|")) and \
                sum(free >= milli for free in gpus) >= count
            lost += weight * (sum(free for free in gpus if free < milli) if usable else whole)
        return lost

    def of(self, node):
        return self.amount(node.model, node.cpu, tuple(node.gpus))


def packing(node, pod):
    if pod.count == 0:
        return 0
    idle = node.gpus.count(1000)
    if idle == len(node.gpus):
        return max(33 - idle, idle)
    chosen = [free for free in sorted(node.gpus) if free >= pod.milli][:pod.count]
    if 1000 in chosen:
        return max(50 - chosen.count(1000), 33)
    return max(100 - sum(free // 10 for free in chosen) // 10, 50)


def clustering(node, pod):
    if pod.count == 0:
        return 0
    base = 25 * (8000 - sum(node.gpus)) // 8000
    if not node.shapes:
        return base + 25
    if node.shapes == {pod.shape}:
        return base + 75
    return base + (50 if pod.shape in node.shapes else 0)


def score(policy, node, pod, fragments):
    """The score, and the GPU for a share."""
    left, asked = sum(node.gpus), pod.count * pod.milli
    gpu = None
    if pod.share:
        gpu = min((free, i) for i, free in enumerate(node.gpus) if free >= pod.milli)[1]
    if policy == "dotprod":
        return int(100 * (1 - (node.cpu * pod.cpu / 128000 / 128000 +
                               left * asked / 8000 / 8000) / 2)), gpu
    if policy == "bestfit":
        return int(100 * (1 - 0.5 * (node.cpu - pod.cpu) / 128000 -
                          0.5 * (left - asked) / 8000)), gpu
    if policy == "packing":
        return packing(node, pod), gpu
    if policy == "clustering":
        return clustering(node, pod), gpu

    def gradient(gpu):
        cpu, gpus = after(node, pod, gpu)
        gain = fragments.of(node) - fragments.amount(node.model, cpu, tuple(gpus))
        return int(100 / (1 + math.exp(-gain / fragments.total / 1000)))
    if not pod.share:
        return gradient(None), None
    best = max((gradient(i), -i) for i, free in enumerate(node.gpus) if free >= pod.milli)
    return best[0], -best[1]


def replay(policy, nodes, pods, order):
    fragments = Fragments(pods)
    total = 1000 * sum(len(node.gpus) for node in nodes)
    arrived = used = failed = 0
    readings = {100: [], 130: []}
    lost = []
    for index in order:
        pod = pods[index]
        arrived += pod.count * pod.milli
        options = [(score(policy, node, pod, fragments), node)
                   for node in nodes if fits(node, pod)]
        if not options:
            failed += 1
        else:
            (_, gpu), node = min(options, key=lambda option: (-option[0][0], option[1].rank))
            cpu, gpus = after(node, pod, gpu)
            node.cpu, node.gpus, node.memory = cpu, gpus, node.memory - pod.memory
            used += pod.count * pod.milli
            if pod.count:
                node.shapes.add(pod.shape)
        percent = math.floor(100 * arrived / total + 0.5)
        if percent in readings:
            readings[percent].append(100 * used / total)
        if percent == 100:
            lost.append(100 * sum(map(fragments.of, nodes)) / fragments.total / total)

    def mean(values):
        return sum(values) / len(values) if values else 100 * used / total
    return mean(readings[100]), mean(readings[130]), sum(lost) / len(lost), failed


def main(nodes_file, pods_file, arrivals_file):
    rows = [sorted(csv.DictReader(open(name, encoding="utf-8")), key=lambda row: row[key])
            for name, key in ((nodes_file, "sn"), (pods_file, "name"))]
    pods = [Pod(row) for row in rows[1]]
    print("policy,seed,allocation100,allocation130,fragmentation100,failed")
    for line in open(arrivals_file, encoding="utf-8"):
        seed, rest = line.split(":")
        order, ranks = ([int(word) for word in part.split()] for part in rest.split("|"))
        for policy in POLICIES:
            nodes = [Node(row, rank) for row, rank in zip(rows[0], ranks)]
            result = replay(policy, nodes, pods, order)
            print(f"{policy},{seed},{result[0]:.4f},{result[1]:.4f},{result[2]:.4f},{result[3]}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: oracle.py NODES PODS ARRIVALS")
    main(*sys.argv[1:])
