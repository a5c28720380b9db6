"""What `capture_hook.dask.ingest_many` returns: one verdict for each run, and all of them as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Verdict:
    """What became of one run."""

    run_dir: str
    """The run, as it was given."""
    status: str
    """``ingested``, ``invalid`` (it breaks the rules), ``failed`` (it could not be read or written), ``lost`` (every worker
    that took it died, or the cluster has no worker left, or does nothing with it), ``duplicate`` (another run directory has
    the same experiment and id, and differs)."""
    experiment: str | None = None
    run_id: str | None = None
    destination: str | None = None
    """The run's folder in the dataset, where it was ingested."""
    steps: int | None = None
    """Rows of the steps."""
    episodes: int | None = None
    """Rows of the episodes."""
    errors: tuple[str, ...] = ()
    """The codes of what is wrong."""
    warnings: tuple[str, ...] = ()
    """The codes of what is worth a look."""
    message: str | None = None
    """Why it was not ingested, for people."""

    @property
    def ok(self) -> bool:
        """Whether the run is in the dataset."""
        return self.status == "ingested"


class Verdicts(Sequence[Verdict]):
    """The verdicts of one call, in the order in which the runs were given.

    ``print`` shows them as a table; :meth:`to_dicts` and :meth:`to_pandas` hand them on.
    """

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        self._verdicts = tuple(verdicts)

    @property
    def ok(self) -> bool:
        """Whether every run is in the dataset."""
        return all(verdict.ok for verdict in self._verdicts)

    def counts(self) -> dict[str, int]:
        """How many runs came to each status."""
        counts: dict[str, int] = {}
        for verdict in self._verdicts:
            counts[verdict.status] = counts.get(verdict.status, 0) + 1
        return counts

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict a run, ready for JSON."""
        return [{**asdict(v), "errors": list(v.errors), "warnings": list(v.warnings)} for v in self._verdicts]

    def to_pandas(self) -> pandas.DataFrame:
        """A data frame, one row a run, the columns named as :class:`Verdict`'s attributes."""
        import pandas

        return pandas.DataFrame(self.to_dicts(), columns=list(Verdict.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self._verdicts)

    def __getitem__(self, index: Any) -> Any:
        return self._verdicts[index]

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self._verdicts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verdicts) and self._verdicts == other._verdicts

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts().items())
        return f"<Verdicts: {counts or 'no runs'}>"

    def __str__(self) -> str:
        rows = [("run", "status", "steps", "episodes", "why")]
        for v in self._verdicts:
            name = f"{v.experiment}/{v.run_id}" if v.run_id else v.run_dir
            why = ", ".join(v.errors) or v.message or ", ".join(v.warnings)
            if v.status == "lost":
                why = v.message or why
            rows.append((name, v.status, _number(v.steps), _number(v.episodes), why))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = []
        for row in rows:
            cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]), row[3].rjust(widths[3])]
            lines.append("  ".join([*cells, row[4]]).rstrip())
        return "\n".join(lines)


def _number(count: int | None) -> str:
    return "-" if count is None else str(count)
