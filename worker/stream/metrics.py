"""Every metric of the loop: its type, what it means, and what to do about it.

Intent: the one catalogue; a metric that is not here does not exist, and each entry is also its help text. Labels are
bounded (outcomes, reasons, systems, partitions), never offers. Non-goal: dashboards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Seconds. From a batch of nothing but dead letters (milliseconds) to a full batch of pairs on two slow cores.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
# Absolute differences of two probabilities: rounding, drift, a changed mind.
_DELTAS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `remedy` is what an operator does when it looks wrong."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    remedy: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = _SECONDS
    """Upper bounds; of a histogram only."""


CHANGES = Metric(
    "samesku_changes", "counter", "Changes answered, by outcome.",
    "A high share of dead_lettered: look at samesku_dead_letters by reason.", ("outcome",),
)  # fmt: skip
DEAD_LETTERS = Metric(
    "samesku_dead_letters", "counter", "Events that cannot be used, by reason.",
    "Read catalog.changes.dlq: the headers name the reason and the position. reason=poison is a defect of ours.",
    ("reason",),
)  # fmt: skip
DECISIONS = Metric(
    "samesku_decisions", "counter", "Decisions published, by verdict.",
    "A jump of one verdict after a new bundle or policy: compare with `samesku evaluate`.", ("verdict",),
)  # fmt: skip
PAIRS_JUDGED = Metric(
    "samesku_pairs_judged", "counter", "Pairs put to the student.",
    "Nothing; changes/s times candidates is what the CPUs pay for.",
)  # fmt: skip
PAIRS_REJUDGED = Metric(
    "samesku_pairs_rejudged", "counter", "Pairs judged again because the other offer moved meanwhile.",
    "More than a few percent: one seller updates the same offers in bursts; coalesce upstream.",
)  # fmt: skip
PAIRS_UNCHANGED = Metric(
    "samesku_pairs_unchanged", "counter", "Pairs whose standing decision was named instead of judging again.",
    "Nothing; it is work saved.",
)  # fmt: skip
PAIRS_SKIPPED = Metric(
    "samesku_pairs_skipped", "counter", "Candidates left out because judging them failed though the query is sound.",
    "A defect: the log names both offers. Replay the change once it is fixed.",
)  # fmt: skip
BATCH_SECONDS = Metric(
    "samesku_batch_seconds", "histogram", "Time of one batch by phase (index, judge, publish, settle).",
    "judge dominates: more workers or fewer candidates. publish dominates: look at the broker.", ("phase",),
)  # fmt: skip
BATCH_FAILURES = Metric(
    "samesku_batch_failures", "counter", "Batches that failed for a reason of their own and were halved.",
    "The log has the exception; if it ends in a dead letter with reason poison, report it.",
)  # fmt: skip
TRANSACTIONS = Metric(
    "samesku_transactions", "counter", "Transactions by result (committed, aborted, in_doubt, abandoned).",
    "Many aborted: rebalances or a slow broker; raise session and transaction time-outs.", ("result",),
)  # fmt: skip
LAG = Metric(
    "samesku_lag", "gauge", "Changes of this worker's partitions that wait, summed.",
    "It grows: add workers up to the number of partitions; until then k shrinks by the stream.lag_policy table.",
)  # fmt: skip
K_EFFECTIVE = Metric(
    "samesku_k_effective", "gauge", "Candidates asked for per change at present.",
    "Below the configured k: the worker is behind and sheds candidates by policy.",
)  # fmt: skip
WAITING = Metric(
    "samesku_waiting", "gauge", "1 while the worker waits for a system (kafka, redis, index).",
    "Bring that system back. Nothing is lost; the worker resumes by itself.", ("system",),
)  # fmt: skip
STUCK = Metric(
    "samesku_stuck", "gauge", "1 while the process has got nowhere for metrics.stuck_after_s.",
    "Alarm above 0. The log's `stuck` has the stack of every thread; restart the process, and report it.",
)  # fmt: skip
WAIT_SECONDS = Metric(
    "samesku_wait_seconds", "counter", "Seconds spent waiting for a system.", "See samesku_waiting.", ("system",)
)
HALTED = Metric(
    "samesku_partition_halted", "gauge", "1 while a partition is paused at an event of an unknown major version.",
    "Upgrade the workers: they cannot know what the event says. The other partitions go on.", ("partition",),
)  # fmt: skip
ASSIGNED = Metric(
    "samesku_partitions_assigned", "gauge", "Partitions that this worker owns.",
    "0 for long: more workers than partitions, or another group id.",
)  # fmt: skip
REBALANCES = Metric(
    "samesku_rebalances", "counter", "Partitions assigned, revoked and lost.",
    "Many lost: the session times out; the host is overloaded or paused.", ("event",),
)  # fmt: skip
RESTORED = Metric(
    "samesku_index_restored", "counter", "Records put back into the index, by kind (offer, tombstone, link, label).",
    "It only moves after Redis lost data. If nobody emptied it: check its persistence and eviction policy.", ("kind",),
)  # fmt: skip
FENCED = Metric(
    "samesku_fenced", "counter", "Times that the producer was fenced and replaced.",
    "More than once in a while: two workers run with the same kafka.slot.",
)  # fmt: skip
DEPLOYMENT = Metric(
    "samesku_deployment", "gauge", "Number of the deployment (match.models) that this worker serves; 0: none yet.",
    "It differs among workers for minutes: see samesku_deployment_refused and the log of the one behind.",
)  # fmt: skip
DEPLOYMENT_REFUSED = Metric(
    "samesku_deployment_refused", "gauge",
    "Number of a deployment that this worker could not take on, while it goes on with what it serves; 0: none.",
    "Alarm above 0. The log (deployment_refused) says why; mend the bundle and promote again, or roll back.",
)  # fmt: skip
REGISTRY_HALTED = Metric(
    "samesku_registry_halted", "gauge",
    "1 once this worker no longer follows the registry, because of an entry of an unknown major version.",
    "Upgrade the workers. They go on with the bundle that they serve.",
)  # fmt: skip
SWITCHES = Metric(
    "samesku_switches", "counter", "Deployments that came while this worker served, by result (switched, refused).",
    "See samesku_deployment_refused.", ("result",),
)  # fmt: skip
CANARY_DECISIONS = Metric(
    "samesku_canary_decisions", "counter", "Decisions of a candidate on the share that it owns, by verdict.",
    "Compare the verdicts' shares with samesku_decisions; `samesku models stop` ends the trial.", ("verdict",),
)  # fmt: skip
SHADOW_PAIRS = Metric(
    "samesku_shadow_pairs", "counter", "Published pairs that a candidate in the shadow judged, too, by both verdicts.",
    "Where live and candidate differ, look at the pairs: the decisions carry both.", ("live", "candidate"),
)  # fmt: skip
SHADOW_DELTA = Metric(
    "samesku_shadow_delta", "histogram", "Absolute difference of the two probabilities of a pair judged by both.",
    "A wide spread with few changed verdicts is calibration; compare the bundles by a replay before you promote.",
    buckets=_DELTAS,
)  # fmt: skip
CANDIDATE_FAILURES = Metric(
    "samesku_candidate_failures", "counter",
    "Pairs that a candidate failed to judge, by mode; in a canary the live bundle judged them.",
    "Above 0: stop the trial (`samesku models stop`); the log (candidate_failed) has the first exception.", ("mode",),
)  # fmt: skip

LABELS = Metric(
    "samesku_labels", "counter",
    "Labels worked on, by what came of them (bound, stale, outranked, refused) and by whom they are (person, teacher).",
    "Many stale: offers change faster than people look; shorten labeling.expires_days. refused: read "
    "catalog.changes.dlq, header samesku-topic match.labels.", ("outcome", "by"),
)  # fmt: skip

LABELING_TASKS = Metric(
    "samesku_labeling_tasks", "counter", "Labelling tasks published, by what happened (drawn, withdrawn, stale).",
    "Many withdrawn: people are slower than the offers change; lower labeling.budget_per_day or its expires_days.",
    ("event",),
)  # fmt: skip
LABELING_CHANCE = Metric(
    "samesku_labeling_chance", "gauge",
    "Chances in force: of the uniform share, and the factor on all others; by partition.",
    "targeted stands at 0: the day's budget is spent; raise labeling.budget_per_day if people have time.",
    ("share", "partition"),
)  # fmt: skip
LABELING_OPEN = Metric(
    "samesku_labeling_open", "gauge", "Open labelling tasks of this sampler's partitions.",
    "It grows for days: more is drawn than people answer; lower labeling.budget_per_day.",
)  # fmt: skip

AUDIT_RECORDS = Metric(
    "samesku_audit_records", "counter", "Records written to the audit store, by table.",
    "It stands still while decisions are made: see samesku_waiting (kafka, store) of the sink.", ("table",),
)  # fmt: skip
AUDIT_UNREADABLE = Metric(
    "samesku_audit_unreadable", "counter", "Records kept raw because they cannot be read, by table and reason.",
    "Ask `samesku audit query` for the view unreadable; unknown_major_version means: upgrade the sink.",
    ("table", "reason"),
)  # fmt: skip
AUDIT_LAG = Metric(
    "samesku_audit_lag", "gauge", "Records of this sink's partitions that are not in the store yet, by table.",
    "It grows: start another sink, up to the number of partitions.", ("table",),
)  # fmt: skip
AUDIT_FLUSH_SECONDS = Metric(
    "samesku_audit_flush_seconds", "histogram", "Time of writing one file of the audit store.",
    "Long: the disk or the object store is slow; raise audit.flush_s, so that there are fewer files.",
)  # fmt: skip
AUDIT_OVERTAKEN = Metric(
    "samesku_audit_overtaken", "counter", "Records set aside because another sink had written them already.",
    "A few at a rebalance are normal. Steadily: two sinks read the same partitions with different audit.group_id.",
)  # fmt: skip
AUDIT_LOST = Metric(
    "samesku_audit_lost", "counter", "Offsets that the topic had removed before the sink got to them, by table.",
    "Raise the topic's retention, or never let the sink stand still for longer than that.", ("table",),
)  # fmt: skip
AUDIT_MERGES = Metric(
    "samesku_audit_merges", "counter", "Merges of files by the sink, by result (done, failed).",
    "failed: the log has the reason. The store stays right; it only has more files than it needs.", ("result",),
)  # fmt: skip

MONITOR_EVENTS = Metric(
    "samesku_monitor_events", "counter",
    "Records that this monitor took, by input and result (counted, old, twice, empty, unreadable).",
    "old: delivered again, after a rebalance; harmless. unreadable: the log has the position.", ("inputs", "result"),
)  # fmt: skip
MONITOR_FETCHED = Metric(
    "samesku_monitor_fetched", "counter", "Records fetched because the group's offsets had passed over them, by input.",
    "A few at a rebalance are normal (marks between transactions). Steadily: look at the group's rebalances.",
    ("inputs",),
)  # fmt: skip
MONITOR_WINDOWS = Metric(
    "samesku_monitor_windows", "counter", "Windows that this monitor closed and compared, by input.",
    "Stands still while decisions flow: see samesku_monitor_behind_seconds.", ("inputs",),
)  # fmt: skip
MONITOR_BEHIND = Metric(
    "samesku_monitor_behind_seconds", "gauge", "Age of the end of the oldest window that is not closed, by input.",
    "More than two windows: start another monitor, or look for a transaction that is left open.", ("inputs",),
)  # fmt: skip
MONITOR_ALARMS = Metric(
    "samesku_monitor_alarms", "gauge", "Streams in alarm, by input.",
    "Alarm above 0. `samesku monitor show` says which and what moved; `samesku monitor accept` makes it the normal.",
    ("inputs",),
)  # fmt: skip
MONITOR_EVIDENCE = Metric(
    "samesku_monitor_evidence", "gauge", "log10 of the evidence against no drift, of the segment `all`, by signal.",
    "It may be looked at at any time: the threshold (5 to 6) holds however often it is.", ("inputs", "signal"),
)  # fmt: skip
MONITOR_DISTANCE = Metric(
    "samesku_monitor_distance", "gauge",
    "Total variation of the last unit of the segment `all` from the reference and from the last good one, by signal.",
    "Noise alone makes 0.05 to 0.2: compare with its own past. Alarms go by the evidence.", ("inputs", "signal", "to"),
)  # fmt: skip
MONITOR_ESTIMATE = Metric(
    "samesku_monitor_estimate", "gauge",
    "Estimated precision, recall and F1 of the last window without labels (f1_low, f1_high: 95%).",
    "It falls: hard pairs come in. It cannot see a student that is surely wrong: ask for labels.", ("measure",),
)  # fmt: skip
JUDGE_AGREEMENT = Metric(
    "samesku_judge_agreement", "gauge", "Share of claims in which a judge said what a person's label says.",
    "See samesku_judge_alarm: a few claims say little.", ("judge",),
)  # fmt: skip
JUDGE_CLAIMS = Metric(
    "samesku_judge_claims", "gauge", "Claims of the watched decisions that people's labels told of, by judge.",
    "It stands still: no labels come, or `samesku judge watch` looks at too small a share.", ("judge",),
)  # fmt: skip
JUDGE_ALARM = Metric(
    "samesku_judge_alarm", "gauge", "1 once a judge's agreement with people is certainly below the limit.",
    "Alarm above 0. Validate the judge again on such pairs; no reward may use it until then.", ("judge",),
)  # fmt: skip

CATALOGUE: tuple[Metric, ...] = (
    CHANGES, DEAD_LETTERS, DECISIONS, PAIRS_JUDGED, PAIRS_REJUDGED, PAIRS_UNCHANGED, PAIRS_SKIPPED, BATCH_SECONDS,
    BATCH_FAILURES, TRANSACTIONS, LAG, K_EFFECTIVE, WAITING, STUCK, WAIT_SECONDS, HALTED, ASSIGNED, REBALANCES,
    RESTORED, FENCED, DEPLOYMENT, DEPLOYMENT_REFUSED, REGISTRY_HALTED, SWITCHES, CANARY_DECISIONS, SHADOW_PAIRS,
    SHADOW_DELTA, CANDIDATE_FAILURES, LABELS, LABELING_TASKS, LABELING_CHANCE, LABELING_OPEN,
    AUDIT_RECORDS, AUDIT_UNREADABLE, AUDIT_LAG, AUDIT_FLUSH_SECONDS, AUDIT_OVERTAKEN, AUDIT_LOST, AUDIT_MERGES,
    MONITOR_EVENTS, MONITOR_FETCHED, MONITOR_WINDOWS, MONITOR_BEHIND, MONITOR_ALARMS, MONITOR_EVIDENCE,
    MONITOR_DISTANCE, MONITOR_ESTIMATE,
    JUDGE_AGREEMENT, JUDGE_CLAIMS, JUDGE_ALARM,
)  # fmt: skip


class Metrics:
    """The catalogue, registered. Each instance has a registry of its own unless one is given."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self._made: dict[str, Counter | Gauge | Histogram] = {}
        for metric in CATALOGUE:
            text = f"{metric.meaning} Remedy: {metric.remedy}"
            made: Counter | Gauge | Histogram
            if metric.kind == "counter":
                made = Counter(metric.name, text, metric.labels, registry=self.registry)
            elif metric.kind == "gauge":
                made = Gauge(metric.name, text, metric.labels, registry=self.registry)
            else:
                made = Histogram(metric.name, text, metric.labels, buckets=metric.buckets, registry=self.registry)
            self._made[metric.name] = made

    def add(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Count. Raises TypeError for a metric that is no counter."""
        made = self._made[metric.name]
        if not isinstance(made, Counter):
            raise TypeError(f"{metric.name} is a {metric.kind}, not a counter")
        (made.labels(**labels) if labels else made).inc(amount)

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a gauge. Raises TypeError for a metric that is none."""
        made = self._made[metric.name]
        if not isinstance(made, Gauge):
            raise TypeError(f"{metric.name} is a {metric.kind}, not a gauge")
        (made.labels(**labels) if labels else made).set(value)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Observe into a histogram. Raises TypeError for a metric that is none."""
        made = self._made[metric.name]
        if not isinstance(made, Histogram):
            raise TypeError(f"{metric.name} is a {metric.kind}, not a histogram")
        (made.labels(**labels) if labels else made).observe(value)

    def value(self, metric: Metric, **labels: str) -> float:
        """The present value of a counter or gauge; 0 where nothing was recorded."""
        name = metric.name + ("_total" if metric.kind == "counter" else "")
        return self.registry.get_sample_value(name, labels) or 0.0
