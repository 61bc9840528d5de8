"""Recomputes with numpy what the feature store answered.

Usage: python3 check.py CASES.jsonl

Each line is one case: events as `[t, verb, x, vector]` (x and vector may be null), the instant `as_of` and the length
`window` of a sliding window in milliseconds, an aggregate with its parameters, and the store's `answer`. Every number is
recomputed in f64 from the events alone. Sums may be added in another order, so numbers agree within a relative 1e-9 of the
sum of their absolute terms; answers that are vectors are given as f32, which adds a relative 2^-23. What is one of the
inputs (quantile, min, max) must agree exactly.
"""

import json
import sys

import numpy as np

F64 = 1e-9
F32 = 2.0**-23


class Window:
    """The events of a case that lie in its window."""

    def __init__(self, case):
        inside = [e for e in case["events"] if case["as_of"] - case["window"] < e[0] <= case["as_of"]]
        self.as_of = case["as_of"]
        self.p = case["parameters"]
        self.n = len(inside)
        numbers = [(e[0], e[1], e[2]) for e in inside if e[2] is not None]
        self.t = np.array([e[0] for e in numbers], dtype=np.float64)
        self.verbs = np.array([e[1] for e in numbers], dtype=str)
        self.x = np.array([e[2] for e in numbers], dtype=np.float64)
        vectors = [(e[0], e[1], e[3]) for e in inside if e[3] is not None]
        self.vt = np.array([e[0] for e in vectors], dtype=np.float64)
        self.vverbs = np.array([e[1] for e in vectors], dtype=str)
        # Inputs are f32; what is written as decimal text is rounded to them first.
        self.v = np.array([e[2] for e in vectors], dtype=np.float32).astype(np.float64)
        self.all_t = np.array([e[0] for e in inside], dtype=np.float64)


def terms(total, absolute):
    """A result with the size of what was added up for it."""
    return total, absolute


def mean(w):
    return terms(np.mean(w.x), np.mean(np.abs(w.x))) if w.x.size else None


def total(w):
    return terms(np.sum(w.x), np.sum(np.abs(w.x)))


def vec_mean(w):
    return terms(np.mean(w.v, axis=0), np.mean(np.abs(w.v), axis=0)) if w.v.size else None


def weighted(values, verbs, weights):
    factor = np.array([weights[verb] for verb in verbs])
    size = np.sum(np.abs(factor)) if factor.size else 0.0
    if size == 0.0:
        return None
    weighed = values * (factor if values.ndim == 1 else factor[:, None])
    return terms(np.sum(weighed, axis=0) / size, np.sum(np.abs(weighed), axis=0) / size)


def weighted_mean(w):
    return weighted(w.x, w.verbs, w.p["weights"])


def vec_weighted_mean(w):
    return weighted(w.v, w.vverbs, w.p["weights"])


def spread(squares, x, n):
    """Squares of distances from a mean that is itself rounded: the size is that of the numbers squared."""
    return terms(squares, np.sum(x * x) / n) if n > 0 else None


def var_pop(w):
    return spread(np.var(w.x), w.x, w.x.size) if w.x.size else None


def var_sample(w):
    return spread(np.var(w.x, ddof=1), w.x, w.x.size - 1) if w.x.size > 1 else None


def root(variance):
    """The error of a root is large next to zero: it is that of the variance before."""
    if variance is None:
        return None
    value, size = variance
    value = np.sqrt(value)
    return terms(value, size / value if value > 0 else np.sqrt(size / F64))


def stddev_pop(w):
    return root(var_pop(w))


def stddev_sample(w):
    return root(var_sample(w))


def exactly(value):
    return terms(value, 0.0)


def quantile(w):
    if not w.x.size:
        return None
    return exactly(np.quantile(w.x, w.p["p"], method="inverted_cdf"))


def smallest(w):
    return exactly(np.min(w.x)) if w.x.size else None


def largest(w):
    return exactly(np.max(w.x)) if w.x.size else None


def decay(w, t):
    return np.exp2(-(w.as_of - t) / w.p["half_life"])


def decay_count(w):
    d = decay(w, w.all_t)
    return terms(np.sum(d), np.sum(d))


def decay_sum(w):
    d = decay(w, w.t)
    return terms(np.sum(d * w.x), np.sum(np.abs(d * w.x)))


def decay_mean(w):
    d = decay(w, w.t)
    return terms(np.average(w.x, weights=d), np.average(np.abs(w.x), weights=d)) if w.x.size else None


def vec_sum(w):
    return terms(np.sum(w.v, axis=0), np.sum(np.abs(w.v), axis=0)) if w.v.size else None


def vec_min(w):
    return exactly(np.min(w.v, axis=0)) if w.v.size else None


def vec_max(w):
    return exactly(np.max(w.v, axis=0)) if w.v.size else None


def vec_decay_mean(w):
    if not w.v.size:
        return None
    d = decay(w, w.vt)
    return terms(np.average(w.v, axis=0, weights=d), np.average(np.abs(w.v), axis=0, weights=d))


def units(w):
    lengths = np.linalg.norm(w.v, axis=1) if w.v.size else np.zeros(0)
    return w.v[lengths > 0] / lengths[lengths > 0][:, None] if w.v.size else w.v


def vec_dispersion(w):
    u = units(w)
    return terms(1.0 - np.linalg.norm(np.mean(u, axis=0)), 1.0) if u.size else None


def vec_unit_mean(w):
    """Lengths of 1 before and after: `normalize = both`."""
    u = units(w)
    if not u.size:
        return None
    pooled = np.mean(u, axis=0)
    length = np.linalg.norm(pooled)
    return terms(pooled / length, np.ones(pooled.shape) / length) if length > 0 else None


AGGREGATES = {
    "sum": total,
    "mean": mean,
    "weighted_mean": weighted_mean,
    "min": smallest,
    "max": largest,
    "var_pop": var_pop,
    "var_sample": var_sample,
    "stddev_pop": stddev_pop,
    "stddev_sample": stddev_sample,
    "quantile": quantile,
    "decay_count": decay_count,
    "decay_sum": decay_sum,
    "decay_mean": decay_mean,
    "vec_sum": vec_sum,
    "vec_mean": vec_mean,
    "vec_min": vec_min,
    "vec_max": vec_max,
    "vec_decay_mean": vec_decay_mean,
    "vec_weighted_mean": vec_weighted_mean,
    "vec_dispersion": vec_dispersion,
    "vec_unit_mean": vec_unit_mean,
}


def agrees(answer, expected):
    """Whether an answer is the expected result within the tolerance of its sums."""
    if expected is None or answer is None:
        return expected is None and answer is None
    value, size = expected
    got = np.asarray(answer, dtype=np.float64)
    if got.shape != np.shape(value):
        return False
    is_vector = got.ndim > 0
    bound = F64 * np.asarray(size) + (F32 * np.abs(value) if is_vector else 0.0)
    return bool(np.all(np.abs(got - value) <= bound))


def main():
    passed, failed, by_aggregate = 0, 0, {}
    with open(sys.argv[1], encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            case = json.loads(line)
            expected = AGGREGATES[case["aggregate"]](Window(case))
            counts = by_aggregate.setdefault(case["aggregate"], [0, 0])
            counts[0] += 1
            counts[1] += expected is not None
            if agrees(case["answer"], expected):
                passed += 1
                continue
            failed += 1
            if failed <= 5:
                print(f"line {number}: {case['aggregate']}: answered {case['answer']}, numpy says {expected}")
    for name in AGGREGATES:
        cases, some = by_aggregate.get(name, (0, 0))
        print(f"{name:<20} {cases:>7} cases, {some:>7} with a value")
        if some < 20:
            print(f"{name} was hardly asked")
            failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
