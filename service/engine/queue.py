"""The queue of stretches, on DBOS 3.4.

Each stretch of a loop is a workflow whose id is `<loop>/<stretch>`, so that it is enqueued once however often it is put
in. Servers on one database take from one queue, each as many at a time as it has slots. Whether a stretch is still to
be played is for the one who plays it to ask the service's own database; a loop that waits there while the queue knows
nothing of its stretch is put in again as another one (`service.engine.engine`).
"""

from collections.abc import Callable

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID

NAME = "evalmend"
VERSION = "1"
"""DBOS plays workflows of its own version alone. Its default is a hash of the source, after every release of which what
waits would wait for ever."""
POLL_S = 0.2
FIRST = 1
"""DBOS's number of what comes first."""


class Queue:
    """The queue, and the threads that take from it. One of a process at a time, as DBOS is."""

    def __init__(self, url: str, server: str, slots: int, play: Callable[[str, int], None]) -> None:
        """Open the queue, and take nothing from it yet.

        Args:
            url: Database of the queue.
            server: Name of this server, no other's, and no earlier one's: what DBOS recovers by name is left to the
                service's own database.
            slots: Most stretches that are played at a time.
            play: Plays a stretch: loop and number.
        """

        @DBOS.workflow(name="stretch", max_recovery_attempts=None)
        def stretch(loop_id: str, number: int) -> None:
            play(loop_id, number)

        config: DBOSConfig = {
            "name": NAME,
            "system_database_url": url,
            "application_version": VERSION,
            "executor_id": server,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "ERROR",
        }
        self._dbos, self._slots, self._stretch = DBOS(config=config), slots, stretch
        DBOS.launch()

    def begin(self) -> None:
        """Begin to take from the queue, within a second."""
        # A queue that is registered publicly has one limit for all servers; these have one in each process.
        registry = self._dbos._registry
        registry._register_internal_queue(NAME, worker_concurrency=self._slots, polling_interval_sec=POLL_S)

    def put(self, loop_id: str, number: int) -> None:
        """Put a stretch in; one that is there, or was played, is not put in again.

        A loop that goes on comes before those that have not begun, else a kill would send it to the end of the queue.
        """
        priority = FIRST if number > 0 else FIRST + 1
        with SetWorkflowID(f"{loop_id}/{number}"), SetEnqueueOptions(priority=priority):
            DBOS.enqueue_workflow(NAME, self._stretch, loop_id, number)

    def holds(self) -> set[str]:
        """Ids, `<loop>/<stretch>`, of the stretches that wait here or are being played."""
        under_way = DBOS.list_workflows(
            status=["ENQUEUED", "PENDING"], queue_name=NAME, load_input=False, load_output=False
        )
        return {one.workflow_id for one in under_way}

    def forget(self, server: str) -> None:
        """Forget what a server that is gone was playing, or was about to."""
        left = DBOS.list_workflows(status="PENDING", executor_id=server)
        if left:
            DBOS.cancel_workflows([one.workflow_id for one in left])

    def close(self) -> None:
        """Take no more; what is being played has to end by itself."""
        DBOS.destroy(destroy_registry=True)
