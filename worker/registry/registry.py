"""The registry for commands: read it, add a bundle, deploy; each call reads the topic afresh.

Optimistic concurrency: `deploy` writes a deployment that states which one it has seen, reads back, and raises
`Overtaken` if another had come in between (see `worker.registry.state`).
"""

from __future__ import annotations

from schemas.deployment import Deployment, RegisteredBundle
from schemas.sections import KafkaSettings
from worker.registry.failures import Overtaken
from worker.registry.state import Numbered, RegistryState
from worker.registry.topic import EntryReader, write_entry


class Registry:
    """The registry in one cluster."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    @staticmethod
    def read(kafka: KafkaSettings) -> RegistryState:
        """The state of now. Raises worker.stream.errors.Unavailable and schemas.events.UnknownMajorVersion."""
        reader = EntryReader(kafka)
        try:
            return reader.to_end()
        finally:
            reader.close()

    def state(self) -> RegistryState:
        """The state of now. Raises as `read`."""
        return self.read(self._kafka)

    def add(self, entry: RegisteredBundle) -> None:
        """Register a bundle; one of the same digest is replaced. Raises Unavailable."""
        write_entry(self._kafka, entry)

    def deploy(self, deployment: Deployment) -> Numbered:
        """Write a deployment and read back; returns it with its number once it is in force.

        Raises Overtaken when it is not, and as `read`.
        """
        write_entry(self._kafka, deployment)
        state = self.state()
        for each in state.history:
            if each.deployment.deployment_id == deployment.deployment_id:
                return each
        now = state.deployment
        said = f"{now.action} by {now.by} at {now.at:%Y-%m-%d %H:%M:%S}Z" if now is not None else "none"
        raise Overtaken(
            f"another command came first: deployment {state.number} ({said}) is in force, this one had seen"
            f" {deployment.seen}; nothing was changed. Look at `samesku models list` and decide again"
        )
