"""The Kafka loop: micro-batches of changes in, decisions and answers out, in one transaction (decisions 1-10)."""

from worker.stream.startup import build_worker, run_worker

__all__ = ["build_worker", "run_worker"]
